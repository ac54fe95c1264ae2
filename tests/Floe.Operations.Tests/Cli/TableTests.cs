using Floe.Cli.Console;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class TableTests
{
    [Fact]
    public void Lines_CellsOfAnyWidth_StandInColumns()
    {
        var table = new Table("TASK", ">SIZE", "COMMAND");
        table.Row("a-task-with-a-name-of-42-characters-in-all", "1 B", "sleep 1");
        table.Row("日本", "12 GiB", new string('x', 200));
        Assert.Equal(
            [
                "TASK                                          SIZE  COMMAND",
                "a-task-with-a-name-of-42-characters-in-all     1 B  sleep 1",
                "日本                                        12 GiB  " + new string('x', 200),
            ], table.Lines());
    }

    [Fact]
    public void Lines_RowWithFewerCells_RunsOnOverTheRest()
    {
        var table = new Table(">N", "WHEN", "SIZE");
        table.Row("12", "today", "1 B");
        table.Row("3", "damaged: and why, at length");
        Assert.Equal([" N  WHEN   SIZE", "12  today  1 B", " 3  damaged: and why, at length"], table.Lines());
    }

    [Fact]
    public void Lines_HostileCell_StaysOneLine()
    {
        var table = new Table("WHAT", "HOW");
        table.Row("a\nb\e[2J", "c");
        Assert.Equal(["WHAT         HOW", "a\\nb\\x1b[2J  c"], table.Lines());
    }
}
