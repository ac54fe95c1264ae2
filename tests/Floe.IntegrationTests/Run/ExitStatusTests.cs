using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class ExitStatusTests
{
    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_CommandEnds_StatusIsTheCommands(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        foreach (var (script, expected) in ((string, int)[])[("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143)])
        {
            Fleet.AssertStatus(expected, await Fleet.EndAsync(await fleet.RunScriptAsync(machine, script)));
        }
    }

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_CommandCannotStart_OneLineAndTheShellsStatus(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        foreach (var (command, expected) in ((string, int)[])[("no-such-command", 127), ("/no/such/file", 127), ("./relative", 127), ("/etc/passwd", 126)])
        {
            var result = await Fleet.EndAsync(await fleet.RunAsync(machine, [], command, "x"));
            Fleet.AssertStatus(expected, result);
            Assert.Single(result.Errors.TrimEnd('\n').Split('\n'));
            Assert.StartsWith("floe: ", result.Errors, StringComparison.Ordinal);
            Assert.Contains(command, result.Errors, StringComparison.Ordinal);
        }
    }
}
