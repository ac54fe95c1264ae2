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
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly IReadOnlyList<ProcessIdentity> _stopped;
    private readonly IReadOnlyList<ProcessIdentity> _staying;

    private HeldTree(IReadOnlyList<ProcessIdentity> stopped, IReadOnlyList<ProcessIdentity> staying) => (_stopped, _staying) = (stopped, staying);

    /// <summary>For the moment when CRIU has all threads at their last system call ("pre-resume").</summary>
    /// <param name="processes">The tree, parents before their children.</param>
    /// <param name="since">Start of CRIU, clock ticks: an older process is none of the tree.</param>
    public static HeldTree Stop(IReadOnlyList<FrozenProcess> processes, ulong since)
    {
        var (stopped, staying) = (new List<ProcessIdentity>(), new List<ProcessIdentity>());
        foreach (var process in ProcessIdentity.Of(processes).Where(p => p.StartTicks >= since))
        {
            // One that was stopped when it was frozen has CRIU's SIGSTOP waiting for it, and stays stopped.
            if (IsToStop(process.Pid))
            {
                staying.Add(process);
            }
            else if (Interop.kill(process.Pid, Interop.SIGSTOP) == 0)
            {
                stopped.Add(process);
            }
        }

        return new HeldTree(stopped, staying);
    }

    /// <summary>Lets it run, children first: a parent that asks (WUNTRACED) is never told that a child is stopped.</summary>
    public async Task ContinueAsync(TimeProvider time)
    {
        // One that has not come to its stop yet would never do so if it were continued now, and who waits for its going on (WCONTINUED) would wait for ever.
        var started = time.GetTimestamp();
        foreach (var process in _staying)
        {
            while (IsRunning(process) && time.GetElapsedTime(started) < s_patience)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), time).ConfigureAwait(false);
            }
        }

        foreach (var process in _stopped.Reverse().Where(p => ProcessIdentity.StartTicksOf(p.Pid) == p.StartTicks))
        {
            _ = Interop.kill(process.Pid, Interop.SIGCONT);
        }
    }

    private static bool IsToStop(int pid) =>
        ulong.TryParse(Status(pid, "ShdPnd:"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var pending) && (pending & StopBit) != 0;

    private static bool IsRunning(ProcessIdentity process) =>
        ProcessIdentity.StartTicksOf(process.Pid) == process.StartTicks && Status(process.Pid, "State:") is ['R' or 'S' or 'D', ..];

    /// <summary>A field of /proc/PID/status; empty for a process that is gone.</summary>
    private static string Status(int pid, string field) =>
        (ProcFiles.TryReadText($"/proc/{pid}/status") ?? "").Split('\n').FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal)) is { } line
            ? line[field.Length..].Trim() : "";
}
