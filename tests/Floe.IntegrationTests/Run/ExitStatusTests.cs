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

    /// <summary>Another machine may run the same snapshot to its end; where a restore that fails is to begin again, nobody would.</summary>
    [Theory]
    [InlineData("auto", 176, true)]
    [InlineData("restart", 132, false)]
    public async Task Run_TaskCrashesAsSoonAsItIsRestored_ItsSnapshotsStayForAnotherMachine(string policy, int status, bool stay)
    {
        await using var fleet = new Fleet();
        const string script = Fleet.Gate + "echo ready; gate /run/go; [ -e /run/good ] || kill -ILL $$; echo end";
        string[] options = ["--on-restore-failure", policy];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script, options);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        Fleet.AssertStatus(status, await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, options)));
        Assert.Equal(stay, Directory.Exists($"{fleet.StoreFolder}/tasks/{Fleet.Key}/snapshots"));
        await b.DestroyAsync();
        if (stay)
        {
            var c = await fleet.MachineAsync("machine-c");
            Fleet.Open(c, "/run/good");
            Fleet.Open(c, "/run/go");
            var ended = await Fleet.EndAsync(await fleet.RunScriptAsync(c, script, options));
            Fleet.AssertStatus(0, ended);
            Assert.Equal("end\n", ended.Text);
        }
    }
}
