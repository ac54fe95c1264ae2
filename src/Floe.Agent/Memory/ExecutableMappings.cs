using System.Globalization;

namespace Floe.Agent.Memory;

/// <summary>Where a process's code lies.</summary>
internal static class ExecutableMappings
{
    /// <summary>The executable mappings of a process, widened to whole windows of the block grid, ascending and apart.</summary>
    /// <exception cref="IOException">The process is gone.</exception>
    public static IReadOnlyList<(ulong Start, ulong End)> Of(int pid) => Parse(File.ReadLines($"/proc/{pid}/maps"));

    /// <param name="maps">Lines of /proc/PID/maps (proc(5)): <c>start-end perms …</c>.</param>
    internal static IReadOnlyList<(ulong Start, ulong End)> Parse(IEnumerable<string> maps)
    {
        var found = new List<(ulong Start, ulong End)>();
        foreach (var line in maps)
        {
            var dash = line.IndexOf('-', StringComparison.Ordinal);
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (line[space + 3] != 'x')
            {
                continue;
            }

            var start = Number(line.AsSpan(0, dash)) & ~(PageCursor.WindowBytes - 1);
            var end = (Number(line.AsSpan(dash + 1, space - dash - 1)) + PageCursor.WindowBytes - 1) & ~(PageCursor.WindowBytes - 1);
            if (found.Count > 0 && found[^1].End >= start)
            {
                start = found[^1].Start;
                found.RemoveAt(found.Count - 1);
            }

            found.Add((start, end));
        }

        return found;
    }

    private static ulong Number(ReadOnlySpan<char> hex) => ulong.Parse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
