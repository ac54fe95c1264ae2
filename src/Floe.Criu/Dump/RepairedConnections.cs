using System.Globalization;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Criu.Dump;

/// <summary>
/// A dump puts a task's TCP connections into repair mode (TCP_REPAIR) to read what is in them. The mode is the socket's and outlives a CRIU that is
/// killed: a task that runs on would get EPERM and EINVAL from its connections for good.
/// </summary>
internal static unsafe class RepairedConnections
{
    /// <summary>Takes every connection of a process and of all below it out of repair mode.</summary>
    /// <returns>How many were in it.</returns>
    public static int Release(int rootPid)
    {
        var released = 0;
        var pids = new Stack<int>([rootPid]);
        while (pids.TryPop(out var pid))
        {
            foreach (var child in Orphans.ChildrenOf(pid))
            {
                pids.Push(child);
            }

            var process = Interop.pidfd_open(pid, 0);
            if (process < 0)
            {
                continue;
            }

            foreach (var link in ProcFiles.TryList($"/proc/{pid}/fd"))
            {
                if (ProcFiles.TryReadLink(link)?.StartsWith("socket:[", StringComparison.Ordinal) == true
                    && int.TryParse(Path.GetFileName(link), NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor))
                {
                    released += TryRelease(process, descriptor) ? 1 : 0;
                }
            }

            _ = Interop.close(process);
        }

        return released;
    }

    private static bool TryRelease(int process, int descriptor)
    {
        var socket = Interop.pidfd_getfd(process, descriptor);
        if (socket < 0)
        {
            return false;
        }

        // SAFETY: both values are on this stack frame for as long as the calls last. Sockets of other kinds refuse the option.
        var (mode, length) = (0, (uint)sizeof(int));
        var isRepaired = Interop.getsockopt(socket, Interop.SOL_TCP, Interop.TCP_REPAIR, &mode, &length) == 0 && mode != 0;
        mode = 0;
        var isReleased = isRepaired && Interop.setsockopt(socket, Interop.SOL_TCP, Interop.TCP_REPAIR, &mode, sizeof(int)) == 0;
        if (isReleased)
        {
            // The kernel forgets it with the mode. A CRIU that lives sets what was; else a server could not listen again beside its old connections.
            var reuses = 1;
            _ = Interop.setsockopt(socket, Interop.SOL_SOCKET, Interop.SO_REUSEADDR, &reuses, sizeof(int));
        }

        _ = Interop.close(socket);
        return isReleased;
    }
}
