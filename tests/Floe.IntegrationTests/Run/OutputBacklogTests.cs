using System.Globalization;
using System.Text;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What machine A printed and what machine B printed are together what one machine would have printed.</summary>
public sealed class OutputBacklogTests
{
    private const string Fifo = "os.mkfifo('/run/out'); open('/run/ready', 'w'); source, terminal = os.open('/run/out', os.O_RDONLY), None";
    private const string Script = "seq 1 600000; echo end";
    private const string Terminal = "source, terminal = pty.openpty(); tty.setraw(terminal); os.symlink(os.ttyname(terminal), '/run/out'); open('/run/ready', 'w')";

    /// <summary>The task is blocked in a write, both pipes are full, and nobody reads while the snapshot is taken.</summary>
    /// <param name="snapshotsBefore">Each takes what the pipe holds, and the task fills it again: the backlog outgrows the pipe.</param>
    [Theory]
    [InlineData(Fifo, 0)]
    [InlineData(Fifo, 2)]
    [InlineData(Terminal, 0)]
    public async Task Snapshot_ReaderStandsStill_NothingIsLostOrDoubled(string output, int snapshotsBefore)
    {
        await using var fleet = new Fleet();
        var before = await BacklogAsync(fleet, output, snapshotsBefore);
        var b = await fleet.MachineAsync("machine-b");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(0, second);
        AssertWhole(before, second.Text);
    }

    /// <summary>The output of both attempts goes to one file on a cluster.</summary>
    [Fact]
    public async Task Run_RestoreFails_OnlyTheOneThatSucceedsWritesTheBacklog()
    {
        await using var fleet = new Fleet();
        var before = await BacklogAsync(fleet, Fifo, 0);
        var b = await fleet.MachineAsync("machine-b");
        var fake = b.RootPath + "/opt/fake-criu";
        await File.WriteAllTextAsync(fake, "#!/bin/sh\n[ \"$1\" != --version ] || { echo Version: 99.0; exit; }\nexit 1\n", Fleet.Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0x1ED);
        fleet.Environment["FLOE_CRIU"] = "/opt/fake-criu";
        var failed = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(176, failed);
        Assert.Contains("CRIU ended", failed.Errors, StringComparison.Ordinal);
        Assert.Empty(failed.Text);

        fleet.Environment.Remove("FLOE_CRIU");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(0, second);
        AssertWhole(before, second.Text);
    }

    /// <summary>A frozen task believes that it has written what a full disk refused: a snapshot of it would lose that for good.</summary>
    [Fact]
    public async Task Snapshot_OutputWasRefused_FailsAndTheOneBeforeWritesItAgain()
    {
        const string script = Fleet.Gate + "touch /run/ready; gate /run/one; echo line; gate /run/go";
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await a.StartAsync(
            ["/bin/bash", "-c", $"exec {Fleet.Floe} run --notices=none --on-term=snapshot --store file:///store --key {Fleet.Key} -- /bin/bash -c '{script}' >/dev/full"],
            fleet.Environment, Fleet.Token);
        await Fleet.UntilAsync(run, () => File.Exists(a.RootPath + "/run/ready"), "start");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        var snapshots = fleet.Snapshots();
        Fleet.Open(a, "/run/one");
        await Fleet.UntilLoggedAsync(run, "The task's output takes no more (stdout: No space left on device)");
        var asked = await fleet.SnapshotAsync(a, run, "--leave-running");
        Fleet.AssertStatus(175, asked);
        Assert.Contains("could not be passed on", asked.Errors, StringComparison.Ordinal);
        Assert.True(run.Signal(15));
        Fleet.AssertStatus(175, await Fleet.EndAsync(run));
        Assert.Equal(snapshots, fleet.Snapshots());
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script));
        Fleet.AssertStatus(0, second);
        Assert.Equal("line\n", second.Text);
    }

    [Fact]
    public async Task Snapshot_RandomMomentsOfAChattyTask_OutputEqualsTheUndisturbedOne()
    {
        // One process prints what another one sends it, in pieces that are no lines.
        const string program = """
            import os, sys, time
            first, then = os.pipe()
            if os.fork() == 0:
                os.close(then)
                while part := os.read(first, 700):
                    done = 0
                    while done < len(part): done += os.write(1, part[done:])
                os._exit(0)
            os.close(first)
            i = 0
            while not os.path.exists('/run/stop'):
                os.write(then, b'%d:%s\n' % (i, b'x' * (i % 97)))
                os.write(2, b'e%d\n' % i)
                time.sleep(0.002)
                i += 1
            os.close(then)
            os.wait()
            os.write(2, b'%d\n' % i)
            """;
        const int moves = 5;
        const int staysBetween = 3;
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await using var fleet = new Fleet();
        fleet.Environment["FLOE_LOG_FILE"] = "/run/floe.log";
        byte[] stdout = [];
        var stderr = "";
        for (var generation = 0; ; generation++)
        {
            var machine = await fleet.MachineAsync($"machine-{generation}");
            var run = await fleet.RunAsync(machine, [], "/usr/bin/python3", "-c", program);
            if (generation < moves)
            {
                await Fleet.UntilAsync(run, () => run.Output.Length > 0 || File.Exists(machine.RootPath + "/run/floe.log") && File.ReadAllText(machine.RootPath + "/run/floe.log").Contains("Restored", StringComparison.Ordinal), "start");
                for (var stay = 0; stay < staysBetween; stay++)
                {
                    await Task.Delay(random.Next(0, 120), Fleet.Token);
                    var asked = await fleet.SnapshotAsync(machine, run, "--leave-running");
                    Assert.True(asked.Status.Success, $"seed {seed}, generation {generation}: {asked.Errors}");
                }

                await Task.Delay(random.Next(0, 120), Fleet.Token);
                var taken = await fleet.TakeAwayAsync(machine, run);
                stdout = [.. stdout, .. taken.Output];
                stderr += taken.Errors;
                await machine.DestroyAsync();
                continue;
            }

            await Task.Delay(200, Fleet.Token);
            Fleet.Open(machine, "/run/stop");
            var last = await Fleet.EndAsync(run);
            Fleet.AssertStatus(0, last);
            stdout = [.. stdout, .. last.Output];
            stderr += last.Errors;
            break;
        }

        var count = int.Parse(stderr.TrimEnd('\n').Split('\n')[^1], CultureInfo.InvariantCulture);
        Assert.True(string.Concat(Enumerable.Range(0, count).Select(i => $"{i}:{new string('x', i % 97)}\n")) == Encoding.ASCII.GetString(stdout), $"stdout differs (seed {seed})");
        Assert.True(string.Concat(Enumerable.Range(0, count).Select(i => $"e{i}\n")) + $"{count}\n" == stderr, $"stderr differs (seed {seed})");
    }

    /// <summary>Takes a task away whose output nobody reads; returns what was read of it in the end.</summary>
    private static async Task<string> BacklogAsync(Fleet fleet, string output, int snapshotsBefore)
    {
        var a = await fleet.MachineAsync("machine-a");
        var taker = await a.StartAsync(["/usr/bin/python3", "-c", $"""
            import os, pty, time, tty
            {output}
            got = open('/run/got', 'wb', 0)
            got.write(os.read(source, 5000))
            open('/run/stands', 'w')
            while not os.path.exists('/run/go'): time.sleep(0.02)
            if terminal: os.close(terminal)
            try:
                while part := os.read(source, 65536): got.write(part)
            except OSError: pass # What a terminal's end is to its screen.
            """], null, Fleet.Token);
        await Fleet.UntilAsync(taker, () => File.Exists(a.RootPath + "/run/ready"), "the reader");
        var run = await a.StartAsync(
            ["/bin/bash", "-c", $"exec {Fleet.Floe} run --notices=none --store file:///store --key {Fleet.Key} -- /bin/bash -c '{Script}' >/run/out"], fleet.Environment, Fleet.Token);
        await Fleet.UntilAsync(run, () => File.Exists(a.RootPath + "/run/stands"), "the reader to stand still");
        await Task.Delay(300, Fleet.Token);
        for (var i = 0; i < snapshotsBefore; i++)
        {
            Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
            await Task.Delay(300, Fleet.Token);
        }

        await fleet.TakeAwayAsync(a, run);
        Fleet.Open(a, "/run/go");
        await Fleet.EndAsync(taker);
        var before = await File.ReadAllTextAsync(a.RootPath + "/run/got", Fleet.Token);
        await a.DestroyAsync();
        return before;
    }

    private static void AssertWhole(string before, string after)
    {
        var expected = new StringBuilder();
        for (var i = 1; i <= 600000; i++)
        {
            expected.Append(i).Append('\n');
        }

        Assert.True(expected.Append("end\n").ToString() == before + after, $"{before.Length} and {after.Length} instead of {expected.Length} together");
    }
}
