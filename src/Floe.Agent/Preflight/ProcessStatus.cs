using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>What the preflights need of /proc/PID/status. Source: proc_pid_status(5).</summary>
internal sealed record ProcessStatus(
    int TracerPid, IReadOnlyList<int> Uids, ulong EffectiveCapabilities, ulong BoundingCapabilities, int SeccompMode, bool IsZombie)
{
    /// <summary>Null when the process is gone.</summary>
    public static ProcessStatus? TryRead(string processDirectory) =>
        ProcFiles.TryReadText(Path.Combine(processDirectory, "status")) is { } text ? Parse(text) : null;

    internal static ProcessStatus Parse(string text)
    {
        var tracer = 0;
        int[] uids = [];
        ulong effective = 0, bounding = 0;
        var seccomp = 0;
        var zombie = false;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var colon = line.IndexOf(':');
            if (colon < 0)
            {
                continue;
            }

            var value = line[(colon + 1)..].Trim();
            switch (line[..colon])
            {
                case "TracerPid":
                    _ = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out tracer);
                    break;
                case "Uid":
                    uids = [.. value.ToString().Split('\t', StringSplitOptions.RemoveEmptyEntries)
                        .Select(static part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var uid) ? uid : -1)];
                    break;
                case "CapEff":
                    _ = ulong.TryParse(value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out effective);
                    break;
                case "CapBnd":
                    _ = ulong.TryParse(value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bounding);
                    break;
                case "Seccomp":
                    _ = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out seccomp);
                    break;
                case "State":
                    zombie = value.StartsWith("Z") || value.StartsWith("X");
                    break;
            }
        }

        return new ProcessStatus(tracer, uids, effective, bounding, seccomp, zombie);
    }
}
