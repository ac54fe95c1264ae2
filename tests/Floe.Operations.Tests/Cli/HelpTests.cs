using System.CommandLine;
using Floe.Cli;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class HelpTests
{
    /// <summary>That line alone stands in the list of verbs.</summary>
    [Fact]
    public void Description_OfEveryVerb_BeginsWithALineThatIsASentence() =>
        Assert.All(All(FloeCommand.Build(() => throw new InvalidOperationException())), command =>
        {
            var lines = (command.Description ?? "").Split('\n');
            Assert.EndsWith(".", lines[0], StringComparison.Ordinal);
            Assert.True(lines.Length == 1 || lines[1].Length == 0 || char.IsUpper(lines[1][0]), $"{command.Name}: {lines[0]} {lines.ElementAtOrDefault(1)}");
        });

    [Fact]
    public async Task Help_OfTheProgram_NamesTheVariablesOfTheLog()
    {
        // Whatever they hold: who has set them up wrongly looks here.
        var said = await FloeProgram.RunAsync(["--help"], [("FLOE_LOG", "verbose"), ("FLOE_LOG_FILE", "/does/not/exist/log")]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("FLOE_LOG ", said.Out, StringComparison.Ordinal);
        Assert.Contains("FLOE_LOG_FILE ", said.Out, StringComparison.Ordinal);
        Assert.Contains("Check an AWS Batch queue or compute environment against everything that snapshots need.", said.Out.ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_OfRun_NamesTheBoundsOfTimes() =>
        Assert.Contains("1 to 5 [FLOE_NOTICE_POLL]", (await FloeProgram.RunAsync(["run", "--help"])).Out, StringComparison.Ordinal);

    private static IEnumerable<Command> All(Command command) => command.Subcommands.SelectMany(All).Prepend(command);
}
