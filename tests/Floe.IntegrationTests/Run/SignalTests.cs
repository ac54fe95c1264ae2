using System.Diagnostics;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class SignalTests
{
    private const int Int = 2;
    private const int Term = 15;

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_Signals_ReachTheCommand(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");

        // HUP, INT, QUIT, USR1, USR2, ALRM, CONT, XCPU, WINCH, PWR, RTMIN+1, RTMAX.
        int[] signals = [1, Int, 3, 10, 12, 14, 18, 24, 28, 30, 35, 64];
        var run = await fleet.RunScriptAsync(
            machine, $"for s in {string.Join(' ', signals)}; do trap \"echo got $s.\" $s; done; trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.05; done", "--on-term", "forward");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        foreach (var signal in signals)
        {
            Assert.True(run.Signal(signal));
            await Fleet.UntilPrintedAsync(run, $"got {signal}.\n");
        }

        run.Signal(Term);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(5, result);
        Assert.Equal($"ready\n{string.Concat(signals.Select(s => $"got {s}.\n"))}term\n", result.Text);
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
            import os, signal, time
            signal.signal(signal.SIGINT, lambda *_: os.write(1, b'GOT-INT\n'))
            signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b'GOT-USR1\n'))
            os.write(1, b'GATE-OPEN\n')
            while True: time.sleep(1)
            """;
        var result = await Fleet.EndAsync(await machine.StartAsync(
            ["/usr/bin/python3", "-c", terminal, Fleet.Floe, "run", "--notices=none", "--store", "file:///store", "--", "/usr/bin/python3", "-c", task], fleet.Environment, Fleet.Token));
        Fleet.AssertStatus(0, result);
        Assert.Equal("1\n", result.Text);
    }

    /// <summary>
    /// With a terminal .NET handles SIGCHLD, and as pid 1 it takes every child's exit status that it is quick enough for: the run then never ended. So no
    /// thread of Floe's may hear of SIGCHLD.
    /// </summary>
    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_OnATerminal_NobodyTakesTheCommandsStatus(MachineKind kind)
    {
        const ulong sigchld = 1 << 16;
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        const string line = $"{Fleet.Floe} run --notices=none --store file:///store -- /bin/sh -c 'cat /proc/1/task/*/status; exit 7'";

        // As a container's entrypoint it has no terminal here; there whoever ignores SIGCHLD is handed down.
        var result = await fleet.ShellAsync(machine, kind == MachineKind.Container ? $"exec env --ignore-signal=CHLD {line}" : $"exec script -qefc \"{line}\" /dev/null");
        Fleet.AssertStatus(7, result);
        var blocked = result.Text.Split('\n').Where(line => line.StartsWith("SigBlk:", StringComparison.Ordinal)).Select(line => Convert.ToUInt64(line[7..].Trim(), 16)).ToList();
        Assert.True(blocked.Count > 3);
        Assert.All(blocked, mask => Assert.Equal(sigchld, mask & sigchld));
    }

    /// <summary>While the task is being restored: nothing of it runs, so what was put back is taken back, and the next machine finds all as it was.</summary>
    [Theory]
    [InlineData(MachineKind.Container, "snapshot", null, 75)]
    [InlineData(MachineKind.Container, "forward", null, 143)]
    [InlineData(MachineKind.Container, "forward", "/run/notice", 75)]
    [InlineData(MachineKind.Host, "snapshot", null, 75)]
    public async Task Run_TermBeforeTheTaskIsBack_EndsAndChangesNothing(MachineKind kind, string onTerm, string? notice, int status)
    {
        await using var fleet = new Fleet { Kind = kind };
        const string script = Fleet.Gate + "echo tail >>/etc/profile; echo ready; gate /run/go; tail -n 1 /etc/profile";
        string[] options = kind == MachineKind.Host ? ["--include", "/etc"] : [];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script, options);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        var profile = await File.ReadAllTextAsync(b.RootPath + "/etc/profile", Fleet.Token);
        var fake = b.RootPath + "/opt/fake-criu";
        await File.WriteAllTextAsync(fake, "#!/bin/sh\n[ \"$1\" != --version ] || { echo Version: 99.0; exit; }\n[ \"$1\" != restore ] || { touch /run/restores; sleep 3; }\nexit 1\n", Fleet.Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0x1ED);
        fleet.Environment["FLOE_CRIU"] = "/opt/fake-criu";
        run = await fleet.RunScriptAsync(b, script, [.. options, "--on-term", onTerm, .. notice is null ? Array.Empty<string>() : ["--notice-file", notice]]);
        await Fleet.UntilAsync(run, () => File.Exists(b.RootPath + "/run/restores"), "the restore");
        Assert.NotEqual(profile, await File.ReadAllTextAsync(b.RootPath + "/etc/profile", Fleet.Token));
        if (notice is not null)
        {
            Fleet.Open(b, notice);
        }

        Assert.True(run.Signal(Term));
        var ended = await Fleet.EndAsync(run);
        Fleet.AssertStatus(status, ended);
        Assert.Contains("SIGTERM before anything of the task ran here", ended.Errors, StringComparison.Ordinal);
        Assert.Equal(profile, await File.ReadAllTextAsync(b.RootPath + "/etc/profile", Fleet.Token));
        Assert.Contains("\"state\":\"HandedOver\"", await File.ReadAllTextAsync($"{fleet.StoreFolder}/tasks/{Fleet.Key}/lease.json", Fleet.Token), StringComparison.Ordinal);

        fleet.Environment.Remove("FLOE_CRIU");
        Fleet.Open(b, "/run/go");
        var resumed = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, [.. options, "--lease-wait", "0"]));
        Fleet.AssertStatus(0, resumed);
        Assert.Equal("tail\n", resumed.Text);
    }

    /// <summary>CRIU is asked for its version before the store is.</summary>
    [Theory]
    [InlineData("snapshot", 75)]
    [InlineData("forward", 143)]
    public async Task Run_TermBeforeTheStoreIsOpen_SaysWhatItSaysLater(string onTerm, int status)
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(machine, "echo ready; exec sleep 1000");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(machine, run);
        var fake = machine.RootPath + "/opt/fake-criu";
        await File.WriteAllTextAsync(fake, "#!/bin/sh\ntouch /run/asked\nsleep 3\n", Fleet.Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0x1ED);
        fleet.Environment["FLOE_CRIU"] = "/opt/fake-criu";

        run = await fleet.RunScriptAsync(machine, "echo ready; exec sleep 1000", "--on-term", onTerm);
        await Fleet.UntilAsync(run, () => File.Exists(machine.RootPath + "/run/asked"), "CRIU");
        Assert.True(run.Signal(Term));

        var ended = await Fleet.EndAsync(run);
        Fleet.AssertStatus(status, ended);
        Assert.Contains("SIGTERM before anything of the task ran here", ended.Errors, StringComparison.Ordinal);
        Assert.NotEmpty(fleet.Snapshots());
    }

    /// <summary>A node that goes again and again, before, while and after the task comes back: it is never lost, and no line is there twice.</summary>
    [Fact]
    public async Task Run_TermAtAnyMomentOfItsStart_TaskGoesOnAndItsFileIsWhole()
    {
        const int attempts = 12;
        const string script = "cd /work; i=0; echo ready; until [ -e stop ]; do i=$((i + 1)); echo line $i >>out; sleep 0.01; done; seq 1 $i | sed 's/^/line /' | cmp - out && echo whole";
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var work = fleet.Folder("work");
        var host = await fleet.MachineAsync("host", new MachineBind(work, "/work"));
        var run = await fleet.RunScriptAsync(host, script, "--include", "/work");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(host, run);
        var early = 0;
        for (var attempt = 0; attempt < attempts; attempt++)
        {
            run = await fleet.RunScriptAsync(host, script, "--include", "/work", "--on-term", "snapshot", "--lease-wait", "0");
            await Fleet.UntilLoggedAsync(run, "task task, store");
            await Task.Delay(random.Next(0, 200), Fleet.Token);
            Assert.True(run.Signal(Term), $"seed {seed}: {run.Errors}");
            var ended = await Fleet.EndAsync(run);
            Assert.True(ended.Status.ShellCode == 75, $"seed {seed}, attempt {attempt}: {ended.Status}: {ended.Errors}");
            early += ended.Errors.Contains("before anything of the task ran", StringComparison.Ordinal) ? 1 : 0;
        }

        await File.WriteAllTextAsync(Path.Combine(work, "stop"), "", Fleet.Token);
        var last = await Fleet.EndAsync(await fleet.RunScriptAsync(host, script, "--include", "/work", "--lease-wait", "0"));
        Assert.True(last.Status.ShellCode == 0 && last.Text == "whole\n", $"seed {seed}, {early} early: {last.Status}: {last.Text}{last.Errors}");
    }

    [Theory]
    [InlineData(MachineKind.Container, Int, 130)]
    [InlineData(MachineKind.Host, Int, 130)]
    [InlineData(MachineKind.Container, Term, 143)]
    public async Task Run_SignalWhileItWaitsForTheLease_EndsAtOnce(MachineKind kind, int signal, int status)
    {
        await using var fleet = new Fleet { Kind = kind };
        var a = await fleet.MachineAsync("machine-a");
        var first = await fleet.RunScriptAsync(a, Fleet.Gate + "echo ready; gate /run/go");
        await Fleet.UntilPrintedAsync(first, "ready\n");
        var b = await fleet.MachineAsync("machine-b");
        var second = await fleet.RunScriptAsync(b, "echo started");
        await Fleet.UntilLoggedAsync(second, "waiting for its lease");
        var began = Stopwatch.GetTimestamp();
        Assert.True(second.Signal(signal));
        var ended = await Fleet.EndAsync(second);
        Fleet.AssertStatus(status, ended);
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 10);
        Assert.Empty(ended.Text);

        Fleet.Open(a, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(first));
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
