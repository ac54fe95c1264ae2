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
            foreach (var descriptor in ProcFiles.TryList($"/proc/{pid}/fd"))
            {
                if (ProcFiles.TryReadLink(descriptor) is { } link && link.StartsWith("socket:[", StringComparison.Ordinal))
                {
                    sockets.Add(Descriptors.Inode(link));
                }
            }
        }

        return sockets.Any(inode => table.TryGet(inode) is { } connection && table.IsInside(connection, sockets));
    }
}
