using System.Globalization;
using System.Text;
using Floe.Agent.Cpu;
using Floe.Agent.Run;
using Floe.Agent.Tasks;
using Floe.Criu.Dump;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>What a manifest says of the task and of the machine that it ran on.</summary>
internal static class Facts
{
    public const string TcpOption = "tcp";
    public const string ImageDigestVariable = "FLOE_IMAGE_DIGEST";
    private const string MemoryOption = "memoryBytes";
    private const string MountOption = "mount";
    private const string FrozenOption = "frozenAt";

    /// <param name="frozenAt">This machine's clock when the task stood still and nothing of it was read yet.</param>
    /// <param name="memoryBytes">What the task takes, shared pages counted once.</param>
    public static TaskFacts Task(SnapshotContext context, RunningTask task, FrozenTask frozen, DateTimeOffset frozenAt, long memoryBytes)
    {
        var (stdout, stderr) = task.Output.PipeNames();
        return new TaskFacts
        {
            Command = context.Options.Command.Select(Encoding.UTF8.GetString).ToList(),
            WorkingDirectory = context.Options.WorkingDirectory,
            RootPid = frozen.RootPid,
            HighestPid = frozen.Processes.Max(p => p.Threads.Count == 0 ? p.Pid : Math.Max(p.Pid, p.Threads.Max())),
            Stdio = new StdioPipes(null, stdout, stderr),
            Options = new Dictionary<string, string>
            {
                [TcpOption] = frozen.Tcp == TcpMode.Close ? "close" : "established",
                [MemoryOption] = memoryBytes.ToString(CultureInfo.InvariantCulture),
                [MountOption] = context.Options.Mount?.Directory ?? "",
                [FrozenOption] = Time(frozenAt),
            },
        };
    }

    public static MachineFacts Machine(SnapshotContext context)
    {
        var cpu = CpuFeatures.Read();
        return new MachineFacts
        {
            HostName = Environment.MachineName,
            Architecture = cpu.Architecture,
            KernelRelease = ReadLine("/proc/sys/kernel/osrelease"),
            CriuVersion = context.Criu.Version.ToString(),
            CpuVendor = cpu.Vendor,
            CpuModel = cpu.Model,
            CpuFeatures = cpu.Flags,
            CpuXsaveBytes = cpu.XsaveBytes,
            CpuXsaveMaxBytes = cpu.XsaveMaxBytes,
            CpuBaseline = context.CpuBaseline,
            Capabilities = Capabilities.OfThisProcess(),
            MemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            ImageDigest = Environment.GetEnvironmentVariable(ImageDigestVariable) is { Length: > 0 } image ? image : null,
            BootId = BootId(),
        };
    }

    /// <summary>Whether it is known that a snapshot was taken on another machine, or before this one started anew.</summary>
    public static bool IsOtherMachine(MachineFacts machine) => machine.BootId.Length > 0 && BootId() is { Length: > 0 } own && own != machine.BootId;

    private static string BootId() => ReadLine("/proc/sys/kernel/random/boot_id");

    /// <summary>Where the task's object-store file system was mounted; empty without one, null when a manifest does not say.</summary>
    public static string? Mount(TaskFacts task) => task.Options.GetValueOrDefault(MountOption);

    /// <summary>Memory that the task takes; 0 when a manifest does not say.</summary>
    public static long MemoryBytes(TaskFacts task) =>
        task.Options.TryGetValue(MemoryOption, out var text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0;

    /// <summary>By the clock of the machine that it was on, since when the task stood still; where a manifest does not say, when it was committed.</summary>
    public static DateTimeOffset FrozenAt(Manifest manifest) =>
        manifest.Task.Options.TryGetValue(FrozenOption, out var text)
        && DateTimeOffset.TryParseExact(text, "O", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at)
            ? at : manifest.CreatedAt;

    /// <summary>As <see cref="FrozenAt"/> reads it.</summary>
    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    public static CpuFeatures Cpu(MachineFacts facts) =>
        new(facts.Architecture, facts.CpuVendor, facts.CpuModel, facts.CpuFeatures, facts.CpuXsaveBytes, facts.CpuXsaveMaxBytes);

    private static string ReadLine(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }
}
