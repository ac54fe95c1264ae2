using System.Globalization;

namespace Floe.Agent.Snapshots;

/// <summary>How much memory a restored task could have here.</summary>
internal static class FreeMemory
{
    /// <summary>MemAvailable, or what the container's limit leaves when that is less; bytes. 0 when neither can be read.</summary>
    public static long Bytes()
    {
        var machine = MemAvailable();
        var group = Left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")
            ?? Left("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
        return group is { } left && (machine == 0 || left < machine) ? left : machine;
    }

    private static long MemAvailable()
    {
        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal)
                && long.TryParse(line["MemAvailable:".Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture, out var kib))
            {
                return kib * 1024;
            }
        }

        return 0;
    }

    /// <summary>Null without a limit.</summary>
    private static long? Left(string limitPath, string usedPath) =>
        ReadNumber(limitPath) is { } limit && ReadNumber(usedPath) is { } used && limit < long.MaxValue / 2 ? Math.Max(0, limit - used) : null;

    private static long? ReadNumber(string path)
    {
        try
        {
            return long.TryParse(File.ReadAllText(path).Trim(), CultureInfo.InvariantCulture, out var number) ? number : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
