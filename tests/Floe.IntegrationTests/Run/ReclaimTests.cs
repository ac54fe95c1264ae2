using Floe.Testing.Imds;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>The machine is taken away: by a Spot notice, or by SIGTERM where that is what it means.</summary>
public sealed class ReclaimTests
{
    private const int Term = 15;
    private const string Script = Fleet.Gate + "trap 'echo TERM came' TERM; echo before; gate /run/go; echo after";
    private const string TrappingScript = Fleet.Gate + "trap 'echo TERM came; exit 5' TERM; echo before; gate /run/go";

    [Fact]
    public async Task Run_SpotNotice_Exit75AndTheNextMachineGoesOn()
    {
        await using var fleet = new Fleet();
        await using var imds = await ImdsDouble.StartAsync();
        fleet.Environment["FLOE_IMDS_ENDPOINT"] = imds.Endpoint.ToString().TrimEnd('/');
        string[] line = ["run", "--store", "file:///store", "--key", Fleet.Key, "--notice-poll", "1", "--", "/bin/bash", "-c", Script];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.StartAsync(a, line);
        await Fleet.UntilPrintedAsync(run, "before\n");
        imds.SetSpotNotice("terminate", TimeProvider.System.GetUtcNow().AddSeconds(120));
        Fleet.AssertStatus(75, await Fleet.EndAsync(run));
        await a.DestroyAsync();
        imds.ClearSpotNotice();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var result = await Fleet.EndAsync(await fleet.StartAsync(b, line));
        Fleet.AssertStatus(0, result);
        Assert.Equal("after\n", result.Text);
    }

    /// <summary>AWS Batch retries only what ended with its host, and ECS sends SIGTERM while the host drains.</summary>
    [Fact]
    public async Task Run_SpotNoticeOnBatch_StaysUntilTheMachineDiesAndTheNextAttemptGoesOn()
    {
        await using var fleet = new Fleet();
        await using var imds = await ImdsDouble.StartAsync();
        fleet.Environment["FLOE_IMDS_ENDPOINT"] = imds.Endpoint.ToString().TrimEnd('/');
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-17";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        string[] line = ["run", "--store", "file:///store", "--notice-poll", "1", "--", "/bin/bash", "-c", Script];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.StartAsync(a, line);
        await Fleet.UntilPrintedAsync(run, "before\n");
        imds.SetSpotNotice("terminate", TimeProvider.System.GetUtcNow().AddSeconds(120));
        await Fleet.UntilLoggedAsync(run, "takes this machine away");
        run.Signal(Term);
        await Fleet.UntilLoggedAsync(run, "waiting for the machine to end");
        run.Signal(Term);
        await Task.Delay(500, Fleet.Token);
        Assert.False(run.HasExited, "on Batch the agent stays until the machine dies");
        Assert.Equal("before\n", System.Text.Encoding.UTF8.GetString(run.Output));
        await a.DestroyAsync();
        imds.ClearSpotNotice();

        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var result = await Fleet.EndAsync(await fleet.StartAsync(b, line));
        Fleet.AssertStatus(0, result);
        Assert.Equal("after\n", result.Text);
    }

    /// <summary>SIGTERM may overtake the notice that is its reason: the file is there, and the next look at it is seconds away.</summary>
    [Fact]
    public async Task Run_TermBeforeTheNoticeWasSeen_TaskIsSavedAndNeverSeesIt()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--notice-file", "/run/notice", "--notice-poll", "5");
        await Fleet.UntilPrintedAsync(run, "before\n");
        await File.WriteAllTextAsync(a.RootPath + "/run/notice", "120", Fleet.Token);
        run.Signal(Term);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(75, result);
        Assert.Equal("before\n", result.Text);
    }

    /// <summary>What the task ends with on its way out of a lost machine is no result, and must not cost the snapshot that there is.</summary>
    [Fact]
    public async Task Run_TermAfterTheNoticesSnapshotWasGivenUp_TaskGetsItAndTheSnapshotBeforeStays()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        var run = await GiveUpAsync(fleet, s3);
        run.Signal(Term);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(175, result);
        Assert.Equal("before\nTERM came\n", result.Text);

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, TrappingScript));
        Fleet.AssertStatus(0, second);
        Assert.Contains("Restored snapshot", second.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_TermOnAMachineThatOutlivedItsNotice_IsACancelAsEver()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        var run = await GiveUpAsync(fleet, s3, "--return-after", "0");
        await Task.Delay(1100, Fleet.Token);
        run.Signal(Term);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(5, result);
        Assert.Equal("before\nTERM came\n", result.Text);
    }

    [Fact]
    public async Task Snapshot_StayingWasAskedFor_StaysWithoutANoticeAndTakesTheTaskBack()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--after-snapshot", "stay", "--return-after", "2");
        await Fleet.UntilPrintedAsync(run, "before\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run));
        await Fleet.UntilLoggedAsync(run, "Restored snapshot");
        Fleet.Open(a, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.Equal("before\nafter\n", result.Text);
    }

    /// <summary>Nobody has removed the file; it must not take the task away again and again.</summary>
    [Fact]
    public async Task Run_MachineOutlivesItsNotice_TheSameNoticeDoesNotTakeTheTaskAgain()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--notice-file", "/run/notice", "--notice-poll", "1", "--after-snapshot", "stay", "--return-after", "1");
        await Fleet.UntilPrintedAsync(run, "before\n");
        await File.WriteAllTextAsync(a.RootPath + "/run/notice", "1", Fleet.Token);
        await Fleet.UntilLoggedAsync(run, "Restored snapshot");

        // Two looks at the file.
        await Task.Delay(1500, Fleet.Token);
        Fleet.Open(a, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.Equal("before\nafter\n", result.Text);
        Assert.Equal(2, result.Errors.Split("takes this machine away").Length);
    }

    /// <summary>Of a large task, or at a slow store, the removal of what only older snapshots needed takes minutes.</summary>
    [Fact]
    public async Task Run_NoticeWhileOlderSnapshotsAreRemoved_IsActedOnAtOnce()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--notice-file", "/run/notice", "--notice-poll", "1");
        await Fleet.UntilPrintedAsync(run, "before\n");
        var removes = new TaskCompletionSource();
        s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Stall)
        {
            Where = call => call.Method == "DELETE" && removes.TrySetResult(),
        });
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        await removes.Task.WaitAsync(TimeSpan.FromSeconds(30), Fleet.Token);
        await File.WriteAllTextAsync(a.RootPath + "/run/notice", "60", Fleet.Token);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(75, result);

        // It was neither waited for, which ends after twenty seconds, nor finished.
        Assert.DoesNotContain("could not be removed", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_MachineDiesUnannouncedOnBatch_NextAttemptTakesTheLeaseAtOnce()
    {
        await using var fleet = new Fleet();
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-18";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "before\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        await a.DestroyAsync();

        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var result = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--lease-wait", "0"));
        Fleet.AssertStatus(0, result);
        Assert.Equal("after\n", result.Text);
        Assert.Contains("Restored snapshot", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>A store that fails for a moment costs a try, and there are two minutes.</summary>
    [Fact]
    public async Task Run_FirstSnapshotsAtANoticeFail_OneSucceedsAndTheNextMachineGoesOn()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--notice-file", "/run/notice", "--notice-poll", "1");
        await Fleet.UntilPrintedAsync(run, "before\n");
        s3.Faults.Add(FailingCommits(2));
        await File.WriteAllTextAsync(a.RootPath + "/run/notice", "120", Fleet.Token);
        var first = await Fleet.EndAsync(run);
        Fleet.AssertStatus(75, first);
        Assert.Equal(2, FailedSnapshots(first));
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(0, second);
        Assert.Equal("before\nafter\n", first.Text + second.Text);
    }

    /// <summary>SIGTERM says nothing of how much time there is: what kills the machine next must find the task told.</summary>
    [Fact]
    public async Task Run_TermMeansSnapshotAndNoneSucceeds_TaskGetsItAfterThreeTries()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, TrappingScript, "--on-term", "snapshot");
        await Fleet.UntilPrintedAsync(run, "before\n");
        s3.Faults.Add(FailingCommits(int.MaxValue));
        run.Signal(Term);
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(175, result);
        Assert.Equal(3, FailedSnapshots(result));
        Assert.Equal("before\nTERM came\n", result.Text);
    }

    /// <summary>A task with one snapshot, whose machine's notice came and went while no other could be written.</summary>
    private static async Task<MachineProcess> GiveUpAsync(Fleet fleet, S3Double s3, params string[] options)
    {
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, TrappingScript, ["--notice-file", "/run/notice", "--notice-poll", "1", .. options]);
        await Fleet.UntilPrintedAsync(run, "before\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        s3.Faults.Add(FailingCommits(int.MaxValue));
        await File.WriteAllTextAsync(a.RootPath + "/run/notice", "1", Fleet.Token);
        await Fleet.UntilLoggedAsync(run, "No time or no way for another snapshot");
        s3.Faults.Clear();
        return run;
    }

    private static S3DoubleFault FailingCommits(int times) => new(S3DoubleFaultKind.Error, times)
    {
        Status = 500, Code = "InternalError", Where = call => call.Method == "PUT" && call.Key.Contains("/snapshots/", StringComparison.Ordinal),
    };

    private static int FailedSnapshots(MachineResult run) => run.Errors.Split('\n').Count(line => line.Contains("Snapshot failed, the task runs on", StringComparison.Ordinal));

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_TermMeansSnapshot_Exit75AndTheTaskNeverSeesIt(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--on-term", "snapshot");
        await Fleet.UntilPrintedAsync(run, "before\n");
        run.Signal(Term);
        var first = await Fleet.EndAsync(run);
        Fleet.AssertStatus(75, first);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--on-term", "snapshot"));
        Fleet.AssertStatus(0, second);
        Assert.Equal("before\nafter\n", first.Text + second.Text);
    }
}
