using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>On a plain host the agent is a process behind the one that the user started.</summary>
public sealed class LifelineTests
{
    [Fact]
    public async Task Run_KilledOnAPlainHost_NothingOfTheTaskIsLeft()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var host = await fleet.MachineAsync("host");
        var run = await fleet.RunScriptAsync(host, "echo ready; exec -a floe-lifeline-test sleep 1000");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        Assert.Equal("1\n", (await fleet.ShellAsync(host, "pgrep -fc ^floe-lifeline-test")).Text);
        run.Signal(9);
        await Fleet.EndAsync(run);
        var gone = await fleet.ShellAsync(host, "while pgrep -f ^floe-lifeline-test; do sleep 0.05; done; echo gone");
        Assert.EndsWith("gone\n", gone.Text, StringComparison.Ordinal);
    }
}
