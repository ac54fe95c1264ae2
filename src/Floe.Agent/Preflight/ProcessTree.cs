using System.Globalization;

namespace Floe.Agent.Preflight;

/// <summary>The processes below a root, by one pass over /proc: as many reads as the machine has processes, whatever the tree's shape.</summary>
internal static class ProcessTree
{
    /// <summary>Root first, then breadth first; empty when the root is gone. Processes that come or go meanwhile may or may not be in it.</summary>
    public static IReadOnlyList<(int Pid, ProcessStat Stat)> Read(string procRoot, int rootPid, CancellationToken cancellationToken)
    {
        var children = new Dictionary<int, List<int>>();
        var stats = new Dictionary<int, ProcessStat>();
        foreach (var directory in Directory.EnumerateDirectories(procRoot))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                || ProcessStat.TryRead(directory) is not { } stat)
            {
                continue;
            }

            stats[pid] = stat;
            if (!children.TryGetValue(stat.ParentPid, out var siblings))
            {
                children[stat.ParentPid] = siblings = [];
            }

            siblings.Add(pid);
        }

        var tree = new List<(int, ProcessStat)>();
        if (!stats.ContainsKey(rootPid))
        {
            return tree;
        }

        // A pid is taken once: a parent that died and was reused between two reads must not make a ring.
        var seen = new HashSet<int> { rootPid };
        var queue = new Queue<int>([rootPid]);
        while (queue.TryDequeue(out var pid))
        {
            tree.Add((pid, stats[pid]));
            foreach (var child in children.GetValueOrDefault(pid, []))
            {
                if (seen.Add(child))
                {
                    queue.Enqueue(child);
                }
            }
        }

        return tree;
    }
}
