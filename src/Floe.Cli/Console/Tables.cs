using Spectre.Console;

namespace Floe.Cli.Console;

/// <summary>Tables as people read them: aligned, no decoration that a pipe would choke on.</summary>
internal static class Tables
{
    public static Table New(params string[] columns)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = true };
        foreach (var column in columns)
        {
            var right = column.StartsWith('>');
            var cell = new TableColumn(new Text(right ? column[1..] : column, new Style(decoration: Decoration.Bold))) { NoWrap = true, Padding = new Padding(0, 0, 2, 0) };
            table.AddColumn(right ? cell.RightAligned() : cell);
        }

        return table;
    }

    public static void Row(this Table table, params string[] cells) => table.AddRow(cells.Select(c => new Text(c)));

    /// <summary>To stdout, as wide as it needs when that is no terminal.</summary>
    public static void Print(Table table)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (System.Console.IsOutputRedirected)
        {
            console.Profile.Width = 1000;
        }

        console.Write(table);
    }
}
