using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class RemoveTests
{
    [Fact]
    public async Task Remove_TaskIsHeld_RefusedUntilItIsFree()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Fleet.Gate + "echo started; gate /run/go");
        await Fleet.UntilPrintedAsync(run, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));

        var b = await fleet.MachineAsync("machine-b");
        var held = await fleet.FloeAsync(b, "rm", Fleet.Key, "--store", "file:///store");
        Assert.False(held.Status.Success);
        var line = Assert.Single(held.Errors.TrimEnd('\n').Split('\n'));
        Assert.Contains("machine-a", line, StringComparison.Ordinal);
        Assert.Single(fleet.Snapshots());
        var listed = Fleet.Json(await fleet.FloeAsync(b, "list", "--store", "file:///store", "--json"));
        Assert.Equal(1, listed.GetArrayLength());
        Assert.Equal("machine-a", listed[0].GetProperty("lease").GetString());

        await fleet.TakeAwayAsync(a, run);
        var snapshots = fleet.Snapshots();
        var removed = await fleet.FloeAsync(b, "rm", Fleet.Key, "--store", "file:///store", "--json");
        Fleet.AssertStatus(0, removed);
        Assert.Equal(snapshots, Fleet.Json(removed).GetProperty("snapshots").EnumerateArray().Select(s => s.GetInt64()).Order());
        Assert.Equal(0, Fleet.Json(await fleet.FloeAsync(b, "list", "--store", "file:///store", "--json")).GetArrayLength());
        Assert.False(Directory.Exists($"{fleet.StoreFolder}/tasks/{Fleet.Key}"));
        Fleet.AssertStatus(2, await fleet.FloeAsync(b, "rm", Fleet.Key, "--store", "file:///store"));
    }
}
