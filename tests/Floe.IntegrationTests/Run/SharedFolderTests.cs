using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>Tasks that have their working directory in common, as the jobs of an array on a cluster's file system have.</summary>
public sealed class SharedFolderTests
{
    /// <summary>Every line is a write of its own, so that no file is open when the task stands still.</summary>
    private const string Script = "i=0; until [ -e stop-$0 ]; do i=$((i + 1)); echo line $i >>out-$0; sleep 0.01; done; seq 1 $i | sed 's/^/line /' | cmp - out-$0 && echo whole";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Run_ResumedBesideAnotherTask_BothFilesAreWhole(bool isTakenAway)
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-shared";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        var work = fleet.Folder("work");
        var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = work });
        using (var watched = WrittenFiles.TryWatch(scope))
        {
            Assert.SkipWhen(watched is null && !isTakenAway, "this file system does not tell who writes (docs/slurm.md)");
        }

        await File.WriteAllTextAsync(Path.Combine(work, "out-a"), "", Fleet.Token);
        var host = await fleet.MachineAsync("host", new MachineBind(work, "/work"));
        var a = await StartAsync(fleet, host, "a");
        var b = await StartAsync(fleet, host, "b");
        await LinesAsync(a, work, "a", 50);
        await LinesAsync(b, work, "b", 50);
        if (isTakenAway)
        {
            Assert.True((await fleet.SnapshotAsync(host, a, "--key", "a")).Status.Success, a.Errors);
        }
        else
        {
            Fleet.AssertStatus(0, await fleet.SnapshotAsync(host, a, "--key", "a", "--leave-running"));
            await LinesAsync(a, work, "a", 100);
            Assert.True(a.Signal(Interop.SIGKILL));
        }

        await Fleet.EndAsync(a);
        await File.WriteAllTextAsync(Path.Combine(work, "new-of-others"), "x", Fleet.Token);
        await LinesAsync(b, work, "b", 150);
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        a = await StartAsync(fleet, host, "a");
        await Fleet.UntilLoggedAsync(a, "Restored snapshot");
        await LinesAsync(b, work, "b", 200);
        await File.WriteAllTextAsync(Path.Combine(work, "stop-a"), "", Fleet.Token);
        await File.WriteAllTextAsync(Path.Combine(work, "stop-b"), "", Fleet.Token);
        foreach (var (run, name) in ((MachineProcess, string)[])[(a, "a"), (b, "b")])
        {
            var ended = await Fleet.EndAsync(run);
            Fleet.AssertStatus(0, ended);
            Assert.True(ended.Text == "whole\n", $"{name}: {ended.Text}{ended.Errors}");
        }

        Assert.True(File.Exists(Path.Combine(work, "new-of-others")));
    }

    /// <summary>What the task wrote after the snapshot that it goes on from is taken back: the damaged one shows that it went on, and without a lease nothing shows that it did not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_NewestIsDamagedOrLeaseIsGone_OwnLinesAreThereOnce(bool leaseIsGone)
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var work = fleet.Folder("work");
        using (var watched = WrittenFiles.TryWatch(FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = work })))
        {
            Assert.SkipWhen(watched is null, "this file system does not tell who writes (docs/slurm.md)");
        }

        var host = await fleet.MachineAsync("host", new MachineBind(work, "/work"));
        var a = await StartAsync(fleet, host, Fleet.Key);
        await LinesAsync(a, work, Fleet.Key, 50);
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(host, a, "--leave-running"));
        await LinesAsync(a, work, Fleet.Key, 100);
        if (leaseIsGone)
        {
            Assert.True(a.Signal(Interop.SIGKILL));
            await Fleet.EndAsync(a);
            File.Delete($"{fleet.StoreFolder}/tasks/{Fleet.Key}/lease.json");
        }
        else
        {
            await fleet.TakeAwayAsync(host, a);
            Fleet.FlipByte(fleet.Manifest(fleet.Snapshots()[^1]));
        }

        await File.WriteAllTextAsync(Path.Combine(work, "new-of-others"), "x", Fleet.Token);
        await File.WriteAllTextAsync(Path.Combine(work, $"stop-{Fleet.Key}"), "", Fleet.Token);
        var ended = await Fleet.EndAsync(await StartAsync(fleet, host, Fleet.Key));
        Fleet.AssertStatus(0, ended);
        Assert.Contains("Restored snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.Equal("whole\n", ended.Text);
        Assert.True(File.Exists(Path.Combine(work, "new-of-others")));
    }

    /// <summary>An attempt in which nothing of the task ran does not make what another task wrote meanwhile the first one's to take back.</summary>
    [Fact]
    public async Task Run_AttemptBetweenDidNotGetToTheTask_OthersLineInTheSharedFileStays()
    {
        const string script = Fleet.Gate + "cd /work; echo own >>summary; echo ready; gate stop; echo again >>summary; cat summary";
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var work = fleet.Folder("work");
        var host = await fleet.MachineAsync("host", new MachineBind(work, "/work"));
        var run = await StartAsync(fleet, host, Fleet.Key, script);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(host, run);
        Fleet.AssertStatus(2, await Fleet.EndAsync(await StartAsync(fleet, host, Fleet.Key, "echo another command")));
        await File.AppendAllTextAsync(Path.Combine(work, "summary"), "theirs\n", Fleet.Token);
        await File.WriteAllTextAsync(Path.Combine(work, "stop"), "", Fleet.Token);
        var ended = await Fleet.EndAsync(await StartAsync(fleet, host, Fleet.Key, script));
        Fleet.AssertStatus(0, ended);
        Assert.Equal("own\ntheirs\nagain\n", ended.Text);
        Assert.DoesNotContain("ran on after", ended.Errors, StringComparison.Ordinal);
    }

    /// <summary>As when a requeued job comes back to its node, and is moved later. What it had closed lay there when its second life began.</summary>
    [Fact]
    public async Task Run_ResumedWhereItWasFrozenThenMoved_FilesClosedBeforeAreThere()
    {
        const string script = Fleet.Gate + "echo out >out; mkdir folder; ln -s out link; echo own >/tmp/own; echo ready; gate /run/go; cat link /tmp/own; ls -d folder";
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var a = await fleet.MachineAsync("machine-a", new MachineBind(fleet.Folder("work-a"), "/work"));
        var run = await StartAsync(fleet, a, Fleet.Key, script);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        run = await StartAsync(fleet, a, Fleet.Key, script);
        await Fleet.UntilLoggedAsync(run, "Restored snapshot");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b", new MachineBind(fleet.Folder("work-b"), "/work"));
        Fleet.Open(b, "/run/go");
        var ended = await Fleet.EndAsync(await StartAsync(fleet, b, Fleet.Key, script));
        Fleet.AssertStatus(0, ended);
        Assert.Equal("out\nown\nfolder\n", ended.Text);
    }

    /// <summary>A node's /tmp may hold any amount of other jobs' data.</summary>
    [Fact]
    public async Task Run_OtherProgramsWriteToTmp_OnlyTheTasksFilesTravel()
    {
        const string script = Fleet.Gate + """
            echo own >/tmp/own; : >/tmp/empty; flock /tmp/lock true; mkdir /tmp/folder; echo ready; gate /run/written; exec 3</tmp/read; echo reads; gate /run/go
            cat /tmp/own <&3 -; ls -d /tmp/empty /tmp/folder /tmp/lock; ls /tmp/others 2>/dev/null; echo done
            """;
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        Fleet.AssertStatus(0, await fleet.ShellAsync(a, "echo theirs >/tmp/others; echo shown >/tmp/read; touch /run/written"));
        await Fleet.UntilPrintedAsync(run, "reads\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var ended = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script));
        Fleet.AssertStatus(0, ended);
        Assert.Equal("own\nshown\n/tmp/empty\n/tmp/folder\n/tmp/lock\ndone\n", ended.Text);
    }

    /// <summary>As after a partition was preempted: contents of both are on their way into the same folder.</summary>
    [Fact]
    public async Task Run_TwoTasksResumedAtOnce_BothFindTheirFiles()
    {
        const string script = "head -c 50000000 /dev/urandom >data-$0; sha256sum <data-$0 >sum-$0; echo ready; until [ -e stop-$0 ]; do sleep 0.02; done; sha256sum <data-$0 | cmp - sum-$0 && echo whole";
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var work = fleet.Folder("work");
        var host = await fleet.MachineAsync("host", new MachineBind(work, "/work"));
        string[] names = ["a", "b", "c"];
        foreach (var name in names)
        {
            var run = await StartAsync(fleet, host, name, script);
            await Fleet.UntilPrintedAsync(run, "ready\n");
            Assert.True((await fleet.SnapshotAsync(host, run, "--key", name)).Status.Success, run.Errors);
            await Fleet.EndAsync(run);
            File.Delete(Path.Combine(work, $"data-{name}"));
            await File.WriteAllTextAsync(Path.Combine(work, $"stop-{name}"), "", Fleet.Token);
        }

        var resumed = await Task.WhenAll(names.Select(name => StartAsync(fleet, host, name, script)));
        foreach (var run in resumed)
        {
            var ended = await Fleet.EndAsync(run);
            Fleet.AssertStatus(0, ended);
            Assert.Contains("Restored snapshot", ended.Errors, StringComparison.Ordinal);
            Assert.EndsWith("whole\n", ended.Text, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(Path.Combine(work, ".floe-putback")));
    }

    private static Task<MachineProcess> StartAsync(Fleet fleet, Machine machine, string name, string script = Script) => machine.StartAsync(
        ["/bin/sh", "-c", $"cd /work && exec {Fleet.Floe} run --notices=none --store {fleet.StoreUrl} --key {name} --on-restore-failure fail -- /bin/bash -c \"$0\" {name}", script],
        fleet.Environment, Fleet.Token);

    private static Task LinesAsync(MachineProcess run, string work, string name, int count) => Fleet.UntilAsync(
        run, () => File.Exists(Path.Combine(work, $"out-{name}")) && File.ReadLines(Path.Combine(work, $"out-{name}")).Count() > count, $"{count} lines of {name}");
}
