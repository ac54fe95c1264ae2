using Floe.S3;
using Floe.Store;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>A store that fails in the middle of a snapshot costs that snapshot, never the task or the snapshot before.</summary>
public sealed class StoreFailureTests
{
    private const string Script = Fleet.Gate + "echo before; gate /run/load; x=$(head -c 300000 /dev/urandom | base64 -w0); echo loaded; gate /run/go; echo after ${#x}";

    /// <summary>Better no run than two machines that both take a task for theirs.</summary>
    [Fact]
    public async Task Run_ServiceIgnoresConditionsOnWrites_RefusesBeforeTheTaskStarts()
    {
        await using var s3 = await S3Double.StartAsync(new() { HonorsConditions = false });
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        var ended = await Fleet.EndAsync(await fleet.RunScriptAsync(a, "echo started"));
        Fleet.AssertStatus(174, ended);
        Assert.Equal("", ended.Text);
        Assert.Contains("the store ignores If-None-Match or If-Match on PUT", ended.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Snapshot_StoreFailsFromOperationN_TaskRunsOnAndTheSnapshotBeforeIsGood()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-20";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        await using var objects = s3.Open("floe");
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "before\n");
        var asked = await fleet.SnapshotAsync(a, run, "--leave-running", "--json");
        Fleet.AssertStatus(0, asked);
        var first = Fleet.Json(asked).GetProperty("sequence").GetInt64();
        Fleet.Open(a, "/run/load");
        await Fleet.UntilPrintedAsync(run, "loaded\n");

        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), false, Fleet.Token);
        Assert.True(TaskKey.TryParse(Fleet.Key, out var key, out _));
        var failures = 0;
        for (; ; failures++)
        {
            var left = failures;
            s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Error, int.MaxValue) { Status = 500, Code = "InternalError", Where = _ => Interlocked.Decrement(ref left) < 0 });
            asked = await fleet.SnapshotAsync(a, run, "--leave-running", "--json");
            s3.Faults.Clear();
            if (asked.Status.Success)
            {
                break;
            }

            Assert.True(asked.Status.ShellCode == 175, $"after {failures} operations: {asked.Status}: {asked.Errors}");
            Assert.Single(asked.Errors.TrimEnd('\n').Split('\n'));
            Assert.False(run.HasExited, run.Errors);
            var listed = await store.ListSnapshotsAsync(key, Fleet.Token);
            Assert.Equal([first], listed.Select(s => s.Seq));
            Assert.True((await store.VerifyAsync(key, null, Fleet.Token)).IsSound, $"after {failures} operations");
        }

        // A pack, an index and a manifest at the least.
        Assert.InRange(failures, 3, 100);
        var second = Fleet.Json(asked).GetProperty("sequence").GetInt64();
        Assert.Equal([second, first], (await store.ListSnapshotsAsync(key, Fleet.Token)).Select(s => s.Seq));
        Assert.True((await store.VerifyAsync(key, null, Fleet.Token)).IsSound);
        await a.DestroyAsync();

        // The one before all those failures.
        await objects.DeleteAsync([new ObjectKey($"tasks/{Fleet.Key}/snapshots/{second:D8}.json")], Fleet.Token);
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/load");
        Fleet.Open(b, "/run/go");
        var last = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(0, last);
        Assert.Contains($"Restored snapshot {first} ", last.Errors, StringComparison.Ordinal);
        Assert.Equal("loaded\nafter 400000\n", last.Text);
    }

    /// <summary>One call and no more, whichever it is: what the agent tells of the snapshot is what the store has.</summary>
    [Fact]
    public async Task Snapshot_OneCallFails_TaskRunsOnAndEverySnapshotIsAsItWasTold()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        await using var objects = s3.Open("floe");
        var a = await fleet.MachineAsync("machine-a");
        Fleet.Open(a, "/run/load");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "loaded\n");
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), false, Fleet.Token);
        Assert.True(TaskKey.TryParse(Fleet.Key, out var key, out _));
        var told = 0L;
        var failures = 0;

        // The commit is among the first six; what follows removes what is no longer needed, and each failure leaves it more to look at.
        for (var call = 0; call < 8; call++)
        {
            var left = call;
            s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Error) { Status = 500, Code = "InternalError", Where = _ => Interlocked.Decrement(ref left) < 0 });
            var asked = await fleet.SnapshotAsync(a, run, "--leave-running", "--json");
            s3.Faults.Clear();
            Assert.True(asked.Status.ShellCode is 0 or 175, $"call {call}: {asked.Status}: {asked.Errors}");
            told = asked.Status.Success ? Fleet.Json(asked).GetProperty("sequence").GetInt64() : told;
            failures += asked.Status.Success ? 0 : 1;
            Assert.Equal(told, (await store.ListSnapshotsAsync(key, Fleet.Token)).Select(s => s.Seq).FirstOrDefault());
            Assert.True((await store.VerifyAsync(key, null, Fleet.Token)).IsSound, $"call {call}");
        }

        // A pack, an index and a manifest at the least, and not what is removed afterwards.
        Assert.InRange(failures, 3, 7);
        Fleet.Open(a, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.EndsWith("after 400000\n", result.Text, StringComparison.Ordinal);
    }

    /// <summary>A store that cannot be reached says nothing about the snapshots: starting clean then would throw the work away.</summary>
    [Fact]
    public async Task Run_StoreFailsDuringTheRestore_Status174AndNoCleanStart()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        Fleet.Open(a, "/run/load");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "loaded\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        foreach (var part in (string[])["/snapshots/", "/packs/"])
        {
            s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Error, int.MaxValue) { Status = 500, Code = "InternalError", Where = call => call.Method == "GET" && call.Key.Contains(part, StringComparison.Ordinal) });
            var failed = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
            s3.Faults.Clear();
            Fleet.AssertStatus(174, failed);
            Assert.DoesNotContain("before", failed.Text, StringComparison.Ordinal);
        }

        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(0, second);
        Assert.Equal("after 400000\n", second.Text);
    }

    [Fact]
    public async Task Snapshot_FolderIsFull_TaskRunsOnAndTheSnapshotBeforeIsGood()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await a.StartAsync(
            ["/bin/bash", "-c", $"mkdir /run/s && mount -t tmpfs -o size=8m none /run/s && exec {Fleet.Floe} run --notices=none --keep --store file:///run/s --key {Fleet.Key} -- /bin/bash -c '{Script.Replace("\"$1\"", "$1", StringComparison.Ordinal)}'"],
            null, Fleet.Token);
        await Fleet.UntilPrintedAsync(run, "before\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        Fleet.Open(a, "/run/load");
        await Fleet.UntilPrintedAsync(run, "loaded\n");
        Task<MachineResult> BesideAsync(string script) => BesideRunAsync(a, run, script);
        await BesideAsync("cat /dev/zero >/run/s/fill");
        var asked = await fleet.SnapshotAsync(a, run, "--leave-running");
        Fleet.AssertStatus(175, asked);
        Assert.Contains("space", asked.Errors, StringComparison.OrdinalIgnoreCase);
        Assert.False(run.HasExited, run.Errors);
        var verified = await BesideAsync($"rm /run/s/fill; {Fleet.Floe} verify --store file:///run/s && grep -l kind.*snapshot /run/s/tasks/task/snapshots/*.json | wc -l");
        Fleet.AssertStatus(0, verified);
        Assert.EndsWith("sound\n1\n", verified.Text, StringComparison.Ordinal);
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        Fleet.Open(a, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.EndsWith("after 400000\n", result.Text, StringComparison.Ordinal);
    }

    private static async Task<MachineResult> BesideRunAsync(Machine machine, MachineProcess run, string script) =>
        await Fleet.EndAsync(await machine.StartBesideAsync(run, ["/bin/bash", "-c", script], null, Fleet.Token));
}
