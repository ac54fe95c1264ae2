using System.Globalization;
using Floe.Criu.Dump;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Criu.Restore;

/// <summary>
/// Keeps a restored tree still until CRIU has let go of all of it. CRIU detaches from one thread after the other, and each runs at once.
/// One that ends its process, or kills another, before CRIU is through makes CRIU fail ("Unable to detach") and kill the whole tree:
/// a `timeout` whose time ran out during the move would do so at every attempt.
///
/// SIGSTOP before the first thread is let go does it: a thread takes it on its way to its first instruction. CRIU brings back stopped
/// processes the same way. What shows of it is a SIGCHLD for the parents and a SIGCONT for programs that handle it, once.
/// </summary>
internal sealed class HeldTree
{
    private const ulong StopBit = 1UL << (Interop.SIGSTOP - 1);
    private readonly IReadOnlyList<ProcessIdentity> _stopped;

    private HeldTree(IReadOnlyList<ProcessIdentity> stopped) => _stopped = stopped;

    /// <summary>For the moment when CRIU has all threads at their last system call ("pre-resume").</summary>
    /// <param name="processes">The tree, parents before their children.</param>
    /// <param name="since">Start of CRIU, clock ticks: an older process is none of the tree.</param>
    public static HeldTree Stop(IReadOnlyList<FrozenProcess> processes, ulong since)
    {
        var stopped = new List<ProcessIdentity>();
        foreach (var process in ProcessIdentity.Of(processes).Where(p => p.StartTicks >= since))
        {
            // One that was stopped when it was frozen has CRIU's SIGSTOP waiting for it, and stays stopped.
            if (!IsToStop(process.Pid) && Interop.kill(process.Pid, Interop.SIGSTOP) == 0)
            {
                stopped.Add(process);
            }
        }

        return new HeldTree(stopped);
    }

    /// <summary>Lets it run, children first: a parent that asks (WUNTRACED) is never told that a child is stopped.</summary>
    public void Continue()
    {
        foreach (var process in _stopped.Reverse().Where(p => ProcessIdentity.StartTicksOf(p.Pid) == p.StartTicks))
        {
            _ = Interop.kill(process.Pid, Interop.SIGCONT);
        }
    }

    private static bool IsToStop(int pid)
    {
        foreach (var line in (ProcFiles.TryReadText($"/proc/{pid}/status") ?? "").AsSpan().EnumerateLines())
        {
            if (line.StartsWith("ShdPnd:", StringComparison.Ordinal))
            {
                return ulong.TryParse(line["ShdPnd:".Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var pending)
                    && (pending & StopBit) != 0;
            }
        }

        return false;
    }
}
