using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

internal enum AccessMode
{
    Read = 0,
    Write = 1,
    ReadWrite = 2,
}

/// <summary>What the preflights need of /proc/PID/fdinfo/FD. Source: proc_pid_fdinfo(5).</summary>
internal readonly record struct DescriptorInfo(AccessMode Mode, int? MountId)
{
    /// <summary>Null when the descriptor is gone.</summary>
    /// <param name="entry">The path in fd/; its last part is the number.</param>
    public static DescriptorInfo? TryRead(string processDirectory, string entry)
    {
        if (ProcFiles.TryReadText(Path.Combine(processDirectory, "fdinfo", Path.GetFileName(entry))) is not { } text)
        {
            return null;
        }

        AccessMode? mode = null;
        int? mount = null;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("flags:") && line.Trim() is { Length: > 6 } flags)
            {
                // Octal: the two lowest bits are all in the last digit.
                mode = (AccessMode)((flags[^1] - '0') & 3);
            }
            else if (line.StartsWith("mnt_id:") && int.TryParse(line[7..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                mount = id;
            }
        }

        return mode is { } known ? new DescriptorInfo(known, mount) : null;
    }
}
