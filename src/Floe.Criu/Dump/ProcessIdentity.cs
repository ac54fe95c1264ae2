using Floe.Linux;

namespace Floe.Criu.Dump;

/// <summary>A process by pid and start time, so that a later process with the same pid is never taken for it.</summary>
internal readonly record struct ProcessIdentity(int Pid, ulong StartTicks)
{
    public static IReadOnlyList<ProcessIdentity> Of(IReadOnlyList<FrozenProcess> processes) =>
        [.. processes.Select(p => (p.Pid, Ticks: StartTicksOf(p.Pid))).Where(p => p.Ticks is not null).Select(p => new ProcessIdentity(p.Pid, p.Ticks!.Value))];

    /// <summary>Ends them all by SIGKILL, the root first: what an init leaves behind it must not react to its end.</summary>
    public static void Kill(IReadOnlyList<ProcessIdentity> processes)
    {
        foreach (var process in processes.Where(p => StartTicksOf(p.Pid) == p.StartTicks))
        {
            _ = Interop.kill(process.Pid, Interop.SIGKILL);
        }
    }

    /// <summary>Field 22 of /proc/PID/stat (proc(5)); null when the process is gone.</summary>
    internal static ulong? StartTicksOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return ulong.Parse(fields[22 - 3], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
