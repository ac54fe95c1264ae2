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
        var result = await fleet.ShellAsync(machine, $"{Fleet.Floe} run --notices=none --store file:///store -- /usr/bin/seq 1 100000 | (sleep 11; cat); echo status ${{PIPESTATUS[0]}}");
        Assert.Equal(string.Concat(Enumerable.Range(1, 100000).Select(i => i.ToString(CultureInfo.InvariantCulture) + "\n")) + "status 0\n", result.Text);
    }

    [Fact]
    public async Task Run_ReaderGoesAway_CommandSeesABrokenPipe()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $"{Fleet.Floe} run --notices=none --store file:///store -- /usr/bin/yes | head -n 1; echo status ${{PIPESTATUS[0]}}");
        Assert.Equal("y\nstatus 141\n", result.Text);
    }
}
