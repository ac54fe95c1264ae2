using System.Globalization;

namespace Floe.Linux.Processes;

/// <summary>
/// Reaps children that nobody waits for: an init process inherits what dying trees leave behind. Zombies hold their pids,
/// and a restore cannot take a pid that a zombie holds.
/// </summary>
public static unsafe class Orphans
{
    /// <summary>Held while children are started, adopted or reaped, so that a child which ends at once is never taken for an orphan.</summary>
    public static Lock Gate { get; } = new();

    internal static HashSet<int> Known { get; } = [];

    /// <summary>Reaps every ended child without a <see cref="ChildProcess"/>; returns how many.</summary>
    public static int Reap()
    {
        var reaped = 0;
        lock (Gate)
        {
            foreach (var pid in Children())
            {
                if (Known.Contains(pid))
                {
                    continue;
                }

                Interop.SigInfo info = default;
                if (Interop.waitid(Interop.P_PID, pid, &info, Interop.WEXITED | Interop.WNOHANG) == 0 && info.Pid == pid)
                {
                    reaped++;
                }
            }
        }

        return reaped;
    }

    /// <summary>Pids of the children of all threads of this process (needs CONFIG_PROC_CHILDREN, as CRIU does).</summary>
    public static IReadOnlyList<int> Children() => ChildrenOf("self");

    /// <summary>As <see cref="Children"/>, of any process; none when it has ended.</summary>
    public static IReadOnlyList<int> ChildrenOf(int pid) => ChildrenOf(pid.ToString(CultureInfo.InvariantCulture));

    private static List<int> ChildrenOf(string process)
    {
        var children = new List<int>();
        foreach (var thread in ProcFiles.TryList($"/proc/{process}/task"))
        {
            if (ProcFiles.TryReadText(thread + "/children") is not { } text)
            {
                continue; // A thread that ended meanwhile; its children are listed under another one.
            }

            foreach (var pid in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                children.Add(int.Parse(pid, CultureInfo.InvariantCulture));
            }
        }

        return children;
    }
}
