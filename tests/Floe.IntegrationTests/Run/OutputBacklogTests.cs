using System.Globalization;
using System.Text;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What machine A printed and what machine B printed are together what one machine would have printed.</summary>
public sealed class OutputBacklogTests
{
    private const string Fifo = "os.mkfifo('/run/out'); open('/run/ready', 'w'); source, terminal = os.open('/run/out', os.O_RDONLY), None";
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
        const string script = "seq 1 600000; echo end";
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
            ["/bin/bash", "-c", $"exec {Fleet.Floe} run --notices=none --store file:///store --key {Fleet.Key} -- /bin/bash -c '{script}' >/run/out"], null, Fleet.Token);
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

        var b = await fleet.MachineAsync("machine-b");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script));
        Fleet.AssertStatus(0, second);
        var expected = new StringBuilder();
        for (var i = 1; i <= 600000; i++)
        {
            expected.Append(i).Append('\n');
        }

        Assert.True(expected.Append("end\n").ToString() == before + second.Text, $"{before.Length} and {second.Text.Length} instead of {expected.Length} together");
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
}
