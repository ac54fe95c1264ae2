using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Snapshots;

/// <summary>
/// The memory that a tree of processes takes, shared pages counted once: after a fork the same page stands in the images of parent and
/// children, and a restore shares it again.
/// </summary>
internal static class ResidentMemory
{
    // Source: Documentation/filesystems/proc.rst. Pages of files are cache: they give way.
    private static readonly string[] s_counted = ["RssAnon:", "RssShmem:", "VmSwap:"];
    private static readonly string[] s_proportional = ["Pss_Anon:", "Pss_Shmem:", "SwapPss:"];

    /// <summary>
    /// Bytes; 0 where the kernel does not tell. Of a tree whose memory lies in one process by the kernel's counters, at once; else by a walk of the
    /// page tables (from 5.3 on), as long as 50 to 100 ns a page.
    /// </summary>
    public static long Bytes(IReadOnlyCollection<int> pids, string procRoot = "/proc") =>
        Counted(pids, procRoot) is { } counted && IsInOne(counted, slack: 0) ? counted.Sum() : pids.Sum(pid => Sum(pid, "smaps_rollup", s_proportional, procRoot) ?? 0);

    /// <summary>
    /// Whether reading a process's pages need not heed that a fork shares them: all but one have hardly any. By the counters, so for a tree that stands still.
    /// </summary>
    public static bool LiesInOneProcess(IReadOnlyCollection<int> pids, string procRoot = "/proc")
    {
        const long little = 16 << 20;
        return Counted(pids, procRoot) is { } counted && IsInOne(counted, little);
    }

    private static bool IsInOne(IReadOnlyCollection<long> bytes, long slack)
    {
        var most = bytes.DefaultIfEmpty().Max();
        return bytes.Sum() - most <= Math.Max(slack, most / 100);
    }

    /// <summary>What each process has by itself; null when one of them cannot be asked. A zombie has nothing.</summary>
    private static List<long>? Counted(IReadOnlyCollection<int> pids, string procRoot)
    {
        var counted = new List<long>(pids.Count);
        foreach (var pid in pids)
        {
            if (Sum(pid, "status", s_counted, procRoot) is not { } bytes)
            {
                return null;
            }

            counted.Add(bytes);
        }

        return counted;
    }

    /// <summary>The sum of some lines like "Name:  123 kB", in bytes; null when the file cannot be read.</summary>
    private static long? Sum(int pid, string file, string[] names, string procRoot)
    {
        if (ProcFiles.TryReadText(Path.Combine(procRoot, pid.ToString(CultureInfo.InvariantCulture), file)) is not { } text)
        {
            return null;
        }

        long kib = 0;
        foreach (var line in text.Split('\n'))
        {
            if (Array.Find(names, name => line.StartsWith(name, StringComparison.Ordinal)) is { } name
                && long.TryParse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                kib += number;
            }
        }

        return kib * 1024;
    }
}
