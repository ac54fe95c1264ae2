using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Snapshots;

/// <summary>
/// The memory that a tree of processes takes, shared pages counted once: after a fork the same page stands in the images of parent and
/// children, and a restore shares it again.
/// </summary>
internal static class ResidentMemory
{
    // Source: Documentation/filesystems/proc.rst, smaps_rollup. Pages of files are cache: they give way.
    private static readonly string[] s_proportional = ["Pss_Anon:", "Pss_Shmem:", "SwapPss:"];

    /// <summary>Bytes; 0 where the kernel does not tell (before 5.3). Walks the page tables: as long as 50 to 100 ns a page.</summary>
    public static long Bytes(IEnumerable<int> pids, string procRoot = "/proc") => pids.Sum(pid =>
        ProcFiles.TryReadText(Path.Combine(procRoot, pid.ToString(CultureInfo.InvariantCulture), "smaps_rollup")) is { } text ? Sum(text) : 0);

    private static long Sum(string rollup)
    {
        long kib = 0;
        foreach (var line in rollup.Split('\n'))
        {
            if (Array.Find(s_proportional, name => line.StartsWith(name, StringComparison.Ordinal)) is { } name
                && long.TryParse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                kib += number;
            }
        }

        return kib * 1024;
    }
}
