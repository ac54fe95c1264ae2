using System.Text;
using Floe.Testing.Machines;
using Xunit;
using static Floe.IntegrationTests.FileSystem.MountedFleet;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>Files on a mount whose task is moved while it has them open.</summary>
public sealed class MovedFilesTests
{
    private const string Gate = "gate() { until [ -e \"$1\" ]; do sleep 0.02; done; }; ";

    [Fact]
    public async Task Run_NeverMoved_OutputsAreInTheBucketWhenItEnds()
    {
        await using var fleet = await StartAsync();
        fleet.Server.Write("work/input", "some input\n"u8.ToArray());
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, "mkdir out && tr a-z A-Z < input > out/result && head -c 20000000 /dev/zero > out/zeros && echo done");
        var ended = await EndAsync(run);
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("SOME INPUT\n", fleet.Text("out/result"));
        Assert.Equal(new byte[20_000_000], fleet.Object("out/zeros"));
        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    [Fact]
    public async Task Run_UploadRefused_ExitsWith174AndNamesTheFile()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        fleet.Server.Faults.Add(new(Testing.S3.S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" && c.Key == "work/refused" });
        var ended = await EndAsync(await fleet.RunScriptAsync(a, "echo x > refused"));
        Assert.True(ended.Status.ShellCode == 174, $"{ended.Status}: {ended.Errors}");
        Assert.Contains("work/refused", ended.Errors, StringComparison.Ordinal);
    }

    /// <summary>When a service refuses one file it refuses all: whoever looks at a log must find its end.</summary>
    [Fact]
    public async Task Run_UploadsOfManyFilesRefused_NamesTheFirstAndCountsAll()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        fleet.Server.Faults.Add(new(Testing.S3.S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" && c.Key.StartsWith("work/refused", StringComparison.Ordinal) });
        var ended = await EndAsync(await fleet.RunScriptAsync(a, "for i in $(seq 300); do echo $i > refused$i; done"));
        Assert.True(ended.Status.ShellCode == 174, $"{ended.Status}: {ended.Errors}");
        Assert.Contains("300 files in all did not reach the bucket", ended.Errors, StringComparison.Ordinal);
        Assert.InRange(ended.Errors.Split('\n').Count(line => line.Contains("work/refused", StringComparison.Ordinal)), 20, 40);
    }

    [Fact]
    public async Task Run_MovedWhileAppending_LogIsWhole()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        var script = Gate + "exec 3>>log; for i in $(seq 1 500); do echo line $i >&3; done; echo half; gate /var/tmp/go; for i in $(seq 501 1000); do echo line $i >&3; done";
        var run = await fleet.RunScriptAsync(a, script);
        await UntilPrintedAsync(run, "half");
        await fleet.TakeAwayAsync(a, run);
        Assert.Null(fleet.Object("log"));
        var b = await fleet.MachineAsync("machine-b");
        Open(b, "/var/tmp/go");
        var ended = await EndAsync(await fleet.RunScriptAsync(b, script));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal(Lines(1, 1000), fleet.Text("log"));
    }

    /// <summary>Who waits in fsync cannot be stopped before it returns, and over a slow link that is longer than a machine has after its notice.</summary>
    [Fact]
    public async Task Run_MovedWhileItWaitsInFsync_GoesOnWithTheBytes()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        var waiting = 0;
        fleet.Server.Faults.Add(new(Testing.S3.S3DoubleFaultKind.Stall, int.MaxValue) { Where = c => c.Method == "PUT" && c.Key == "work/synced" && Interlocked.Increment(ref waiting) > 0 });
        const string script = "exec python3 -c 'import os; f = open(\"synced\", \"wb\"); f.write(b\"0123456789\" * 2000000); f.flush(); os.fsync(f.fileno()); f.write(b\"end\"); print(\"synced\")'";
        var run = await fleet.RunScriptAsync(a, script);
        await UntilAsync(run, () => Volatile.Read(ref waiting) > 0, "an upload that does not end");
        await Task.Delay(500, TestContext.Current.CancellationToken);
        var left = await fleet.TakeAwayAsync(a, run);
        Assert.DoesNotContain("Snapshot failed", left.Errors, StringComparison.Ordinal);
        Assert.Equal("", Encoding.UTF8.GetString(left.Output));
        fleet.Server.Faults.Clear();
        var b = await fleet.MachineAsync("machine-b");
        var ended = await EndAsync(await fleet.RunScriptAsync(b, script));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("synced\n", Encoding.UTF8.GetString(ended.Output));
        Assert.Equal(string.Concat(Enumerable.Repeat("0123456789", 2_000_000)) + "end", fleet.Text("synced"));
        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    /// <summary>The same of writers whom a full cache makes wait for uploads.</summary>
    [Fact]
    public async Task Run_MovedWhileWritersWaitForRoom_GoOnWithTheBytes()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        var waiting = 0;
        fleet.Server.Faults.Add(new(Testing.S3.S3DoubleFaultKind.Stall, int.MaxValue) { Where = c => c.Method == "PUT" && c.Key.StartsWith("work/big", StringComparison.Ordinal) && Interlocked.Increment(ref waiting) > 0 });
        const string script = "for i in 1 2 3; do seq $i 6000000 > big$i & done; wait";
        var run = await fleet.RunScriptAsync(a, script, "--cache-size", "48M");
        await UntilAsync(run, () => Volatile.Read(ref waiting) > 2, "uploads that do not end");
        await Task.Delay(1000, TestContext.Current.CancellationToken);
        var left = await fleet.TakeAwayAsync(a, run);
        Assert.DoesNotContain("Snapshot failed", left.Errors, StringComparison.Ordinal);
        fleet.Server.Faults.Clear();
        var b = await fleet.MachineAsync("machine-b");
        var ended = await EndAsync(await fleet.RunScriptAsync(b, script, "--cache-size", "48M"));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        for (var i = 1; i <= 3; i++)
        {
            Assert.Equal(Lines(i, 6_000_000).Replace("line ", "", StringComparison.Ordinal), fleet.Text($"big{i}"));
        }

        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    [Fact]
    public async Task Run_MovedInTheMiddleOfALargeFile_GoesOnWithTheSameUpload()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        // 45 MB of text that does not repeat: five parts have gone up at the snapshot, and are not sent or carried again.
        var script = Gate + "exec 3>big; seq 1000000 6624999 >&3; echo half; gate /var/tmp/go; seq 6625000 6700000 >&3";
        var run = await fleet.RunScriptAsync(a, script);
        await UntilPrintedAsync(run, "half");
        await UntilAsync(run, () => fleet.Server.OpenPartCount >= 5, "parts");
        var before = fleet.Server.BytesReceived;
        await fleet.TakeAwayAsync(a, run);
        // What had not gone up, 3 MB, and the image of a small shell.
        Assert.InRange(fleet.Server.BytesReceived - before, 1, 6_000_000);
        Assert.Equal(1, fleet.Server.OpenUploadCount);
        var (parts, received) = (Parts(fleet), fleet.Server.BytesReceived);
        var b = await fleet.MachineAsync("machine-b");
        Open(b, "/var/tmp/go");
        var ended = await EndAsync(await fleet.RunScriptAsync(b, script));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal(string.Concat(Enumerable.Range(1000000, 5700001).Select(i => $"{i}\n")), fleet.Text("big"));
        // The last one, and perhaps one whose answer the snapshot did not wait for.
        Assert.InRange(Parts(fleet) - parts, 1, 2);
        Assert.InRange(fleet.Server.BytesReceived - received, 1, 20_000_000);
        Assert.Single(fleet.Server.Calls, c => c.Method == "POST" && c.Query.StartsWith("?uploads", StringComparison.Ordinal) && c.Key == "work/big");
        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    [Fact]
    public async Task Run_RestoredAgainAfterItsUploadWasCompleted_OutputIsTheSame()
    {
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        var script = Gate + "exec 3>big; seq 1000000 6624999 >&3; echo half; gate /var/tmp/go; seq 6625000 6700000 >&3; exec 3>&-; sync big; echo closed; gate /var/tmp/end";
        var run = await fleet.RunScriptAsync(a, script);
        await UntilPrintedAsync(run, "half");
        await UntilAsync(run, () => fleet.Server.OpenPartCount >= 5, "parts");
        await fleet.TakeAwayAsync(a, run);

        // The second life makes the object and dies without a snapshot.
        var b = await fleet.MachineAsync("machine-b");
        Open(b, "/var/tmp/go");
        var second = await fleet.RunScriptAsync(b, script);
        await UntilPrintedAsync(second, "closed");
        await UntilAsync(second, () => fleet.Object("big") is not null, "object");
        await b.DestroyAsync();

        var c = await fleet.MachineAsync("machine-c");
        Open(c, "/var/tmp/go");
        Open(c, "/var/tmp/end");
        var ended = await EndAsync(await fleet.RunScriptAsync(c, script));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal(string.Concat(Enumerable.Range(1000000, 5700001).Select(i => $"{i}\n")), fleet.Text("big"));
    }

    [Fact]
    public async Task Run_SnapshotThenRunsOn_ThenRestored_OutputIsTheSame()
    {
        await using var fleet = await StartAsync();
        await RunAndLoseALifeAsync(fleet, "exec 3>>log; for i in $(seq 1 300); do echo line $i >&3; done; echo half; gate /var/tmp/go; for i in $(seq 301 600); do echo line $i >&3; done; echo wrote; gate /var/tmp/end");
        Assert.Equal(Lines(1, 600), fleet.Text("log"));
    }

    [Fact]
    public async Task Run_RestoredAfterALostLifeHasAppended_NoLineIsThereTwice()
    {
        await using var fleet = await StartAsync();
        var ended = await RunAndLoseALifeAsync(
            fleet, "echo one >> log; sync log; echo half; gate /var/tmp/go; echo two >> log && sync log; echo anew > out && sync out; echo wrote; gate /var/tmp/end; cat out");
        Assert.Contains("work/log was written after the snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.EndsWith("anew\n", ended.Text, StringComparison.Ordinal);
        Assert.Equal("one\ntwo\n", fleet.Text("log"));
    }

    /// <summary>A snapshot at "half", after which the task runs on to "wrote" and is lost; then it is restored, and runs to its end.</summary>
    private static async Task<MachineResult> RunAndLoseALifeAsync(MountedFleet fleet, string script)
    {
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Gate + script);
        await UntilPrintedAsync(run, "half");
        await fleet.SnapshotAsync(a, run, "--leave-running");
        Open(a, "/var/tmp/go");
        await UntilPrintedAsync(run, "wrote");
        await a.DestroyAsync();
        var b = await fleet.MachineAsync("machine-b");
        Open(b, "/var/tmp/go");
        Open(b, "/var/tmp/end");
        var ended = await EndAsync(await fleet.RunScriptAsync(b, Gate + script));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        return ended;
    }

    [Fact]
    public async Task Run_CommandRunTreeMovedTwice_LogsAreWhole()
    {
        await using var fleet = await StartAsync();
        // The shape of Nextflow's wrapper: background subshell, tees on swapped descriptors, everything on the mount; one of them appends.
        fleet.Server.Write("work/.command.err", "of an attempt before\n"u8.ToArray());
        fleet.Server.Write("work/.command.sh", Encoding.UTF8.GetBytes("""
            for i in $(seq 1 60); do
              echo "out $i"; echo "err $i" >&2; echo "$i" >> result.txt; sleep 0.1
            done
            """));
        fleet.Server.Write("work/.command.run", Encoding.UTF8.GetBytes("""
            touch .command.begin
            nxf_launch() { /bin/bash -ue .command.sh; }
            set +e
            (set -o pipefail; (nxf_launch | tee .command.out) 3>&1 1>&2 2>&3 | tee -a .command.err) 3>&1 1>&2 2>&3 &
            pid=$!
            wait $pid || nxf_main_ret=$?
            echo ${nxf_main_ret:-0} > .exitcode
            """));
        MachineResult? ended = null;
        for (var life = 0; life < 3; life++)
        {
            var machine = await fleet.MachineAsync($"machine-{life}");
            var run = await fleet.RunAsync(machine, [], "/bin/bash", ".command.run");
            if (life < 2)
            {
                await Task.Delay(1500 + Random.Shared.Next(500), Token);
                await fleet.TakeAwayAsync(machine, run);
            }
            else
            {
                ended = await EndAsync(run);
            }
        }

        Assert.True(ended!.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal("0\n", fleet.Text(".exitcode"));
        Assert.Equal(string.Concat(Enumerable.Range(1, 60).Select(i => $"out {i}\n")), fleet.Text(".command.out"));
        Assert.Equal("of an attempt before\n" + string.Concat(Enumerable.Range(1, 60).Select(i => $"err {i}\n")), fleet.Text(".command.err"));
        Assert.Equal(string.Concat(Enumerable.Range(1, 60).Select(i => $"{i}\n")), fleet.Text("result.txt"));
    }

    private static int Parts(MountedFleet fleet) =>
        fleet.Server.Calls.Count(c => c.Key == "work/big" && c.Query.Contains("partNumber", StringComparison.Ordinal));

    private static string Lines(int from, int to) => string.Concat(Enumerable.Range(from, to - from + 1).Select(i => $"line {i}\n"));
}
