using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>What the preflights need of /proc/PID/stat. Source: proc_pid_stat(5).</summary>
internal readonly record struct ProcessStat(string Command, char State, int ParentPid, int Session, int Terminal)
{
    // USER_HZ, which is 100 on every architecture of ours.
    private const int MillisPerTick = 10;

    public long ProcessorMillis { get; private init; }

    public long ResidentBytes { get; private init; }

    /// <summary>Null when the process is gone.</summary>
    public static ProcessStat? TryRead(string processDirectory) =>
        ProcFiles.TryReadText(Path.Combine(processDirectory, "stat")) is { } text ? TryParse(text) : null;

    internal static ProcessStat? TryParse(string text)
    {
        // The name may hold blanks and parentheses; the last ')' ends it.
        var open = text.IndexOf('(');
        var close = text.LastIndexOf(')');
        if (open < 0 || close < open)
        {
            return null;
        }

        var fields = text[(close + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 4 && fields[0].Length == 1
            && int.TryParse(fields[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var parent)
            && int.TryParse(fields[3], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var session)
            && int.TryParse(fields[4], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var terminal)
            ? new ProcessStat(text[(open + 1)..close], fields[0][0], parent, session, terminal)
            {
                ProcessorMillis = (Number(fields, 11) + Number(fields, 12)) * MillisPerTick,
                ResidentBytes = Number(fields, 21) * Environment.SystemPageSize,
            }
            : null;
    }

    private static long Number(string[] fields, int index) =>
        index < fields.Length && long.TryParse(fields[index], NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
}
