using System.Globalization;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class SlowReaderTests
{
    /// <summary>A page of a terminal pager, a busy log collector: however long the reader takes, it gets everything.</summary>
    [Fact]
    public async Task Run_ReaderPausesLongAfterTheCommandEnded_GetsAllOutput()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $"{Fleet.Floe} run --no-imds --store file:///store -- /usr/bin/seq 1 100000 | (sleep 11; cat); echo status ${{PIPESTATUS[0]}}");
        Assert.Equal(string.Concat(Enumerable.Range(1, 100000).Select(i => i.ToString(CultureInfo.InvariantCulture) + "\n")) + "status 0\n", result.Text);
    }

    [Fact]
    public async Task Run_ReaderGoesAway_CommandSeesABrokenPipe()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $"{Fleet.Floe} run --no-imds --store file:///store -- /usr/bin/yes | head -n 1; echo status ${{PIPESTATUS[0]}}");
        Assert.Equal("y\nstatus 141\n", result.Text);
    }

    /// <summary>`exec > >(tee log)` in an entry point: the agent as pid 1 inherits the tee as a child, which is no part of the task.</summary>
    [Fact]
    public async Task Run_ReaderIsTheAgentsChild_GetsAllOutput()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var run = await machine.StartAsync(
            ["/bin/bash", "-c", $"exec > >(sleep 1; cat >/store/log; touch /store/closed); exec {Fleet.Floe} run --no-imds --store file:///store -- /usr/bin/seq 1 100000"], null, Fleet.Token);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.EndsWith("\n100000\n", await File.ReadAllTextAsync($"{fleet.StoreFolder}/log", Fleet.Token), StringComparison.Ordinal);
    }
}
