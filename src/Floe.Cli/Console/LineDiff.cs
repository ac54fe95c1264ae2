namespace Floe.Cli.Console;

/// <summary>Which lines go and which come, as diff has it: the longest common run of lines stays.</summary>
internal static class LineDiff
{
    /// <returns>'-', '+' or ' ' and the line, in order.</returns>
    public static IReadOnlyList<(char Sign, string Line)> Of(IReadOnlyList<string> from, IReadOnlyList<string> to)
    {
        // common[i, j]: length of the longest common subsequence of what begins at i and at j.
        var common = new int[from.Count + 1, to.Count + 1];
        for (var i = from.Count - 1; i >= 0; i--)
        {
            for (var j = to.Count - 1; j >= 0; j--)
            {
                common[i, j] = from[i] == to[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        var lines = new List<(char, string)>();
        var (a, b) = (0, 0);
        while (a < from.Count || b < to.Count)
        {
            if (a < from.Count && b < to.Count && from[a] == to[b])
            {
                lines.Add((' ', from[a]));
                (a, b) = (a + 1, b + 1);
            }
            else if (b == to.Count || (a < from.Count && common[a + 1, b] >= common[a, b + 1]))
            {
                lines.Add(('-', from[a++]));
            }
            else
            {
                lines.Add(('+', to[b++]));
            }
        }

        return lines;
    }
}
