using Floe.Linux;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>A machine that outlives the task: what a life of it wrote after its last snapshot is still there.</summary>
public sealed class OutlivedFolderTests
{
    private const string Script = Fleet.Gate + "cd /data; echo first >>log; echo started; gate /run/one; echo more >>log; echo line >>extra; echo wrote; gate /run/two; cat log; echo done";

    /// <summary>What the snapshot holds is exact; what it cannot know of is named.</summary>
    [Fact]
    public async Task Run_DiedAfterItsSnapshotOnThisHost_LogIsExactAndTheNewFileIsNamed()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-outlived";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        var host = await fleet.MachineAsync("host");
        Directory.CreateDirectory(host.RootPath + "/data");
        string[] options = ["--include", "/data", "--on-restore-failure", "fail"];
        var run = await fleet.RunScriptAsync(host, Script, options);
        await Fleet.UntilPrintedAsync(run, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(host, run, "--key", Fleet.Key, "--leave-running"));
        Fleet.Open(host, "/run/one");
        await Fleet.UntilPrintedAsync(run, "wrote\n");
        Assert.True(run.Signal(Interop.SIGKILL));
        await Fleet.EndAsync(run);

        // Another attempt of the same job: the lease of a dead one need not be waited for.
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        Fleet.Open(host, "/run/two");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(host, Script, options));
        Fleet.AssertStatus(0, second);
        Assert.Contains("The task ran on after snapshot", second.Errors, StringComparison.Ordinal);
        Assert.Contains(": /data/extra\n", second.Errors, StringComparison.Ordinal);
        Assert.EndsWith("first\nmore\ndone\n", second.Text, StringComparison.Ordinal);
    }

    /// <summary>Such a file is on the next machine or not, and as the task left it or not: its user must know.</summary>
    [Fact]
    public async Task Snapshot_FileOpenOutsideOfWhatTravels_IsNamedOnce()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var host = await fleet.MachineAsync("host");
        var run = await fleet.RunScriptAsync(host, Fleet.Gate + "exec 3>>/var/tmp/log 4>/tmp/own 5</etc/hostname 6>/dev/null; echo ready; gate /run/go");
        await Fleet.UntilPrintedAsync(run, "ready\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(host, run, "--leave-running"));
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(host, run, "--leave-running"));
        Fleet.Open(host, "/run/go");
        var ended = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, ended);
        Assert.Contains("do not travel with it: /var/tmp/log. They", Assert.Single(ended.Errors.Split('\n'), line => line.Contains("do not travel", StringComparison.Ordinal)), StringComparison.Ordinal);
    }
}
