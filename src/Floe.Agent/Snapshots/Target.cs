using System.Globalization;
using Floe.Agent.Cpu;
using Floe.Agent.Tasks;
using Floe.Linux.Processes;

namespace Floe.Agent.Snapshots;

/// <summary>What of this machine and of this command line decides whether a task can go on here.</summary>
internal sealed record Target
{
    public required CpuFeatures Cpu { get; init; }

    public required Version CriuVersion { get; init; }

    /// <summary>CAP_… names.</summary>
    public required IReadOnlyList<string> Capabilities { get; init; }

    /// <summary>Null where nobody says.</summary>
    public string? ImageDigest { get; init; }

    public string KernelRelease { get; init; } = "";

    /// <summary>Pids are below this.</summary>
    public int PidLimit { get; init; } = PidFloor.PidLimit;

    /// <summary>0 when it is not known.</summary>
    public long FreeMemoryBytes { get; init; }

    /// <summary>Where the task's object-store file system will be mounted; null: nowhere.</summary>
    public string? MountDirectory { get; init; }

    public static Target Of(SnapshotContext context) => new()
    {
        Cpu = CpuFeatures.Read(),
        CriuVersion = context.Criu.Version,
        Capabilities = Snapshots.Capabilities.OfThisProcess(),
        ImageDigest = Environment.GetEnvironmentVariable(Facts.ImageDigestVariable) is { Length: > 0 } image ? image : null,
        KernelRelease = ProcFiles.TryReadText("/proc/sys/kernel/osrelease")?.Trim() ?? "",
        PidLimit = int.TryParse(ProcFiles.TryReadText("/proc/sys/kernel/pid_max"), CultureInfo.InvariantCulture, out var limit) ? limit : PidFloor.PidLimit,
        FreeMemoryBytes = FreeMemory.Bytes(),
        MountDirectory = context.Options.Mount?.Directory,
    };
}
