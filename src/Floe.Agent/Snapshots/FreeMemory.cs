using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Snapshots;

/// <summary>How much memory a restored task could have here.</summary>
internal static class FreeMemory
{
    /// <summary>MemAvailable, or what the container's limit leaves when that is less; bytes. 0 when neither can be read.</summary>
    /// <param name="root">Where /proc and /sys are looked for; replaceable for tests.</param>
    public static long Bytes(string root = "/")
    {
        var machine = MemAvailable(Path.Combine(root, "proc/meminfo"));
        var groups = Path.Combine(root, "sys/fs/cgroup");
        var group = Left(groups, "memory.max", "memory.current", ["inactive_file ", "active_file ", "slab_reclaimable "])
            ?? Left(Path.Combine(groups, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", ["total_inactive_file ", "total_active_file "]);
        return group is { } left && (machine == 0 || left < machine) ? left : machine;
    }

    private static long MemAvailable(string path) =>
        Lines(path).Where(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal))
            .Select(line => Number(line["MemAvailable:".Length..].Trim().Split(' ')[0]) ?? 0).FirstOrDefault() * 1024;

    /// <summary>Null without a limit. What a group used includes the page cache that its processes filled, which gives way: that counts as free.</summary>
    private static long? Left(string group, string limitName, string usedName, IReadOnlyList<string> reclaimable)
    {
        if (Number(ProcFiles.TryReadText(Path.Combine(group, limitName))) is not { } limit || limit >= long.MaxValue / 2
            || Number(ProcFiles.TryReadText(Path.Combine(group, usedName))) is not { } used)
        {
            return null;
        }

        var cache = Lines(Path.Combine(group, "memory.stat"))
            .Sum(line => reclaimable.FirstOrDefault(name => line.StartsWith(name, StringComparison.Ordinal)) is { } name ? Number(line[name.Length..]) ?? 0 : 0);
        return Math.Max(0, limit - Math.Max(0, used - cache));
    }

    private static string[] Lines(string path) => ProcFiles.TryReadText(path)?.Split('\n') ?? [];

    private static long? Number(string? text) => long.TryParse(text?.Trim(), CultureInfo.InvariantCulture, out var number) ? number : null;
}
