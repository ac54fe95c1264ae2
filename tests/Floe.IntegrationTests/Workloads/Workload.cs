using System.Globalization;
using Floe.Testing;

namespace Floe.IntegrationTests.Workloads;

/// <summary>A program in tests/workloads: an executable file without an extension.</summary>
/// <param name="Capabilities">What of its "# capabilities:" line the kernel must grant to carry it.</param>
internal sealed record Workload(string Name, IReadOnlyList<string> Capabilities)
{
    /// <summary>CAP_SYS_RESOURCE, include/uapi/linux/capability.h.</summary>
    private const int SysResource = 24;

    /// <summary>Where every machine sees tests/workloads.</summary>
    public const string Folder = "/opt/workloads";

    /// <summary>Working directory of every run; the same on all machines, since paths get into some outputs.</summary>
    public const string WorkingDirectory = "/var/tmp/work";

    public const string OutputFolder = WorkingDirectory + "/out";

    public static IReadOnlyList<Workload> All { get; } = Directory.EnumerateFiles(Repository.PathOf("tests/workloads"))
        .Where(path => Path.GetExtension(path).Length == 0)
        .Select(path => new Workload(Path.GetFileName(path), Words(path, "# capabilities:")))
        .OrderBy(workload => workload.Name, StringComparer.Ordinal)
        .ToList();

    public IReadOnlyList<string> Command => [$"{Folder}/{Name}", OutputFolder];

    /// <summary>A line that says why this machine cannot carry the workload; null when it can.</summary>
    public string? Obstacle => Capabilities.Contains("CAP_SYS_RESOURCE") ? ObstacleToOtherUsers(Name) : null;

    /// <summary>A line that says why this machine cannot carry processes of another user than its own; null when it can.</summary>
    public static string? ObstacleToOtherUsers(string what) => HasCapability(SysResource)
        ? null : $"{what} needs CAP_SYS_RESOURCE, which this machine does not grant: CRIU must set another user's resource limits";

    private static bool HasCapability(int number)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("CapEff:", StringComparison.Ordinal));
        return (ulong.Parse(line.AsSpan("CapEff:".Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> number & 1) != 0;
    }

    private static string[] Words(string path, string prefix) =>
        [.. File.ReadLines(path).Where(line => line.StartsWith(prefix, StringComparison.Ordinal)).SelectMany(line => line[prefix.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries))];
}
