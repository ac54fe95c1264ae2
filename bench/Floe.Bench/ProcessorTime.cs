using System.Globalization;

namespace Floe.Bench;

/// <summary>Processor time of a process and of its ended, awaited children: what a noisy machine leaves comparable.</summary>
internal static class ProcessorTime
{
    /// <summary>proc_pid_stat(5) counts in hundredths of a second on every Linux architecture (USER_HZ).</summary>
    private const double MillisPerTick = 10;

    public static double MillisOf(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');

        // utime, stime, cutime, cstime are fields 14 to 17; the first after the name is number 3.
        return fields[11..15].Sum(ticks => double.Parse(ticks, CultureInfo.InvariantCulture)) * MillisPerTick;
    }
}
