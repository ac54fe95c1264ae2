using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class NewerFormatTests
{
    /// <summary>Not damaged: neither the snapshot before it nor a clean start is what its user wants.</summary>
    [Fact]
    public async Task Run_NewestSnapshotIsOfANewerFormat_NothingStartsAndAllStays()
    {
        await using var fleet = new Fleet();
        const string script = Fleet.Gate + "echo started; gate /run/one; echo done";
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();
        var snapshots = fleet.Snapshots();
        await Fleet.RewriteAsync(fleet.Manifest(snapshots[1]), "\"formatVersion\":1", "\"formatVersion\":2");

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, "--on-restore-failure", "restart"));
        Fleet.AssertStatus(174, second);
        Assert.Empty(second.Text);
        Assert.Contains("upgrade floe", second.Errors, StringComparison.Ordinal);
        Assert.Equal(snapshots, fleet.Snapshots());
    }
}
