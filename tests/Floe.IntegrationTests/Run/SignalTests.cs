using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class SignalTests
{
    private const int Int = 2;
    private const int Usr1 = 10;
    private const int Term = 15;

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_Signals_ReachTheCommand(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(machine, "trap 'echo int' INT; trap 'echo usr1' USR1; trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.05; done", "--on-term", "forward");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        run.Signal(Int);
        await Fleet.UntilPrintedAsync(run, "int\n");
        run.Signal(Usr1);
        await Fleet.UntilPrintedAsync(run, "usr1\n");
        run.Signal(Term);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(5, result);
        Assert.Equal("ready\nint\nusr1\nterm\n", result.Text);
    }

    [Fact]
    public async Task Run_TermWithoutAHandler_StatusIs143()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(machine, "echo ready; exec sleep 1000");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        run.Signal(Term);
        Fleet.AssertStatus(143, await Fleet.EndAsync(run));
    }
}
