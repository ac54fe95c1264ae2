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

    /// <summary>A terminal tells every process of its foreground group; on a host that has two of Floe's.</summary>
    [Fact]
    public async Task Run_CtrlCOnATerminal_ReachesTheCommandOnce()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var machine = await fleet.MachineAsync("machine-a");
        const string terminal = """
            import os, pty, signal, sys
            pid, screen = pty.fork()
            if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
            said = b''
            def until(text):
                global said
                while text not in said: said += os.read(screen, 1000)
            until(b'GATE-OPEN')
            os.write(screen, b'\x03')
            until(b'GOT-INT')
            os.kill(pid, signal.SIGUSR1)
            until(b'GOT-USR1')
            print(said.count(b'GOT-INT'))
            """;
        const string task = """
            import signal, time
            signal.signal(signal.SIGINT, lambda *_: print('GOT-INT', flush=True))
            signal.signal(signal.SIGUSR1, lambda *_: print('GOT-USR1', flush=True))
            print('GATE-OPEN', flush=True)
            while True: time.sleep(1)
            """;
        var result = await Fleet.EndAsync(await machine.StartAsync(
            ["/usr/bin/python3", "-c", terminal, Fleet.Floe, "run", "--notices=none", "--store", "file:///store", "--", "/usr/bin/python3", "-c", task], fleet.Environment, Fleet.Token));
        Fleet.AssertStatus(0, result);
        Assert.Equal("1\n", result.Text);
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
