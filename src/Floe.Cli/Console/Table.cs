using System.Text;
using Spectre.Console;

namespace Floe.Cli.Console;

/// <summary>
/// A table as people read it: aligned columns, no decoration that a pipe would choke on. A row is one line however long it is: a terminal wraps it, and
/// nothing of it is left out.
/// </summary>
/// <param name="columns">Their headings; one that begins with '>' is for numbers, which stand at the right.</param>
internal sealed class Table(params IReadOnlyList<string> columns)
{
    private const string Gap = "  ";

    private readonly List<IReadOnlyList<string>> _rows = [];

    /// <summary>Cells from the left. The last of a row that has fewer than the table may be as long as it likes: it runs on over the columns that are left.</summary>
    public void Row(params IReadOnlyList<string> cells) => _rows.Add([.. cells.Select(Printable.Text)]);

    /// <summary>The headings and the rows, without trailing blanks.</summary>
    public IReadOnlyList<string> Lines()
    {
        var headings = columns.Select(c => c.TrimStart('>')).ToList();
        var widths = new int[columns.Count];
        foreach (var row in _rows.Prepend(headings))
        {
            var measured = row.Count < columns.Count ? row.Count - 1 : row.Count;
            for (var i = 0; i < measured; i++)
            {
                widths[i] = Math.Max(widths[i], row[i].GetCellWidth());
            }
        }

        return [.. _rows.Prepend(headings).Select(row => Line(row, widths))];
    }

    /// <summary>To stdout; the headings bold on a terminal that wants it.</summary>
    public void Print()
    {
        var lines = Lines();
        var isPlain = System.Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
        System.Console.WriteLine(isPlain ? lines[0] : $"\e[1m{lines[0]}\e[0m");
        foreach (var line in lines.Skip(1))
        {
            System.Console.WriteLine(line);
        }
    }

    private string Line(IReadOnlyList<string> row, int[] widths)
    {
        var line = new StringBuilder();
        for (var i = 0; i < row.Count; i++)
        {
            var blanks = Math.Max(0, widths[i] - row[i].GetCellWidth());
            var isRight = columns[i].StartsWith('>') && (row.Count == columns.Count || i < row.Count - 1);
            line.Append(' ', isRight ? blanks : 0).Append(row[i]).Append(' ', isRight ? 0 : blanks).Append(Gap);
        }

        return line.ToString().TrimEnd();
    }
}
