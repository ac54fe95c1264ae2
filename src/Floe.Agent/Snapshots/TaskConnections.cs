using Floe.Agent.Preflight;
using Floe.Linux.Processes;

namespace Floe.Agent.Snapshots;

/// <summary>The TCP connections between a task's own processes.</summary>
internal static class TaskConnections
{
    /// <summary>Whether there are any now. Those that come before the task stands still are not known.</summary>
    public static bool AreInside(int rootPid, CancellationToken cancellationToken)
    {
        var table = TcpTable.Read($"/proc/{rootPid}/net");
        if (!table.HasLocal())
        {
            return false;
        }

        var sockets = new HashSet<ulong>();
        foreach (var (pid, _) in ProcessTree.Read("/proc", rootPid, cancellationToken))
        {
            foreach (var link in LinksOf(pid))
            {
                if (link.StartsWith("socket:[", StringComparison.Ordinal))
                {
                    sockets.Add(Descriptors.Inode(link));
                }
            }
        }

        return sockets.Any(inode => table.TryGet(inode) is { } connection && table.IsInside(connection, sockets));
    }

    private static List<string> LinksOf(int pid)
    {
        try
        {
            return [.. Directory.EnumerateFiles($"/proc/{pid}/fd").Select(ProcFiles.TryReadLink).OfType<string>()];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
            return [];
        }
    }
}
