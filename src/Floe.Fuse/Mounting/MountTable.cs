using System.Globalization;

namespace Floe.Fuse.Mounting;

/// <summary>What /proc/self/mountinfo says; looking there touches no file system.</summary>
internal static class MountTable
{
    /// <summary>"major:minor" of the topmost mount on a folder; null when nothing is mounted on it.</summary>
    public static string? DeviceOn(string directory)
    {
        string? device = null;
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
            var fields = line.Split(' ');
            if (fields.Length > 4 && Unescape(fields[4]) == directory)
            {
                device = fields[2];
            }
        }

        return device;
    }

    /// <summary>Blank, tab, newline and backslash stand there as three octal digits.</summary>
    private static string Unescape(string text)
    {
        var at = text.IndexOf('\\', StringComparison.Ordinal);
        if (at < 0 || at + 3 >= text.Length)
        {
            return text;
        }

        var code = text.AsSpan(at + 1, 3);
        var value = ((code[0] - '0') * 64) + ((code[1] - '0') * 8) + (code[2] - '0');
        return string.Create(CultureInfo.InvariantCulture, $"{text[..at]}{(char)value}{Unescape(text[(at + 4)..])}");
    }
}
