using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>One key is run by one machine at a time.</summary>
public sealed class LeaseTests
{
    private const string Script = Fleet.Gate + "echo started; gate /run/go; echo end";

    [Fact]
    public async Task Run_KeyIsHeld_WaitsThenRefusedNamingTheHolder()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var first = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(first, "started\n");

        var b = await fleet.MachineAsync("machine-b");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--lease-wait", "1"));
        Fleet.AssertStatus(174, second);
        Assert.Contains("waiting", second.Errors, StringComparison.Ordinal);
        var last = second.Errors.TrimEnd('\n').Split('\n')[^1];
        Assert.StartsWith("floe: ", last, StringComparison.Ordinal);
        Assert.Contains("machine-a", last, StringComparison.Ordinal);
        Assert.Empty(second.Text);

        Fleet.Open(a, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(first));
        Fleet.Open(b, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--lease-wait", "0")));
    }

    [Fact]
    public async Task Run_HolderEndsWhileAnotherWaits_TheOtherGetsTheLeaseAndStarts()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var first = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(first, "started\n");
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await fleet.RunScriptAsync(b, Script, "--lease-wait", "60");
        await Fleet.UntilLoggedAsync(second, "waiting for its lease");
        Assert.Empty(second.Output);

        await fleet.TakeAwayAsync(a, first);
        var result = await Fleet.EndAsync(second);
        Fleet.AssertStatus(0, result);
        Assert.Equal("end\n", result.Text);
    }

    /// <summary>The same line twice on one machine: the second is refused, and the first one's snapshots do not suffer from it.</summary>
    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_SameLineAgainOnTheSameMachine_IsRefusedAndTheFirstCanBeSnapshotted(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var a = await fleet.MachineAsync("machine-a");
        var first = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(first, "started\n");
        Fleet.AssertStatus(174, await Fleet.EndAsync(await fleet.RunScriptAsync(a, Script, "--lease-wait", "0")));
        await fleet.TakeAwayAsync(a, first);

        Fleet.Open(a, "/run/go");
        var resumed = await Fleet.EndAsync(await fleet.RunScriptAsync(a, Script));
        Fleet.AssertStatus(0, resumed);
        Assert.Equal("end\n", resumed.Text);
    }

    [Fact]
    public async Task Snapshot_LeaseWasTakenOver_NothingIsCommittedAndTheTaskIsStopped()
    {
        await using var fleet = new Fleet();
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-19";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        var a = await fleet.MachineAsync("machine-a");
        var first = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(first, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, first, "--leave-running"));

        // The scheduler believes that the first attempt is dead, and it is not.
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        var b = await fleet.MachineAsync("machine-b");
        var second = await fleet.RunScriptAsync(b, Script);
        await Fleet.UntilLoggedAsync(second, "Restored snapshot");

        var snapshots = fleet.Snapshots();
        var asked = await fleet.FloeAsync(a, "snapshot");
        if (!first.HasExited || asked.Status.ShellCode != 2)
        {
            // Else it noticed by itself before it was asked, when it renewed its lease.
            Fleet.AssertStatus(175, asked);
        }

        var stopped = await Fleet.EndAsync(first);
        Fleet.AssertStatus(174, stopped);
        Assert.Contains("lease", stopped.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("end", stopped.Text, StringComparison.Ordinal);
        Assert.Equal(snapshots, fleet.Snapshots());

        Fleet.Open(b, "/run/go");
        var finished = await Fleet.EndAsync(second);
        Fleet.AssertStatus(0, finished);
        Assert.Equal("end\n", finished.Text);
    }
}
