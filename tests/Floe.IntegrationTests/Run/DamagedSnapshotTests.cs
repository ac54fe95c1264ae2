using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class DamagedSnapshotTests
{
    private const string Script = Fleet.Gate + "echo started; gate /run/one; x=$(head -c 200000 /dev/urandom | base64 -w0); echo one; gate /run/two; echo two ${#x}";

    [Fact]
    public async Task Run_NewestSnapshotIsDamaged_GoesOnFromTheOneBefore()
    {
        await using var fleet = new Fleet();
        var (snapshots, _, newPacks) = await TwoSnapshotsAsync(fleet);
        foreach (var pack in newPacks)
        {
            Fleet.FlipByte(pack);
        }

        var b = await fleet.MachineAsync("machine-b");
        var verified = await fleet.FloeAsync(b, "verify", "--store", "file:///store");
        Fleet.AssertStatus(174, verified);
        Assert.All(newPacks, pack => Assert.Contains($"packs/{Path.GetFileName(pack)}", verified.Text, StringComparison.Ordinal));
        Assert.Contains($"task snapshot {snapshots[1]}: ", verified.Text, StringComparison.Ordinal);
        Assert.DoesNotContain($"task snapshot {snapshots[0]}: ", verified.Text, StringComparison.Ordinal);

        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/two");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--on-restore-failure", "fail"));
        Fleet.AssertStatus(0, second);
        Assert.Contains($"Snapshot {snapshots[1]} could not be restored", second.Errors, StringComparison.Ordinal);
        Assert.Contains($"Restored snapshot {snapshots[0]} of machine machine-a", second.Errors, StringComparison.Ordinal);
        Assert.Equal("one\ntwo 266668\n", second.Text);
    }

    [Fact]
    public async Task Run_ManifestIsCutShort_GoesOnFromTheOneBefore()
    {
        await using var fleet = new Fleet();
        var (snapshots, _, _) = await TwoSnapshotsAsync(fleet);
        await using (var manifest = new FileStream(fleet.Manifest(snapshots[1]), FileMode.Open))
        {
            manifest.SetLength(manifest.Length / 2);
        }

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/two");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script));
        Fleet.AssertStatus(0, second);
        Assert.Contains($"Restored snapshot {snapshots[0]} of machine machine-a", second.Errors, StringComparison.Ordinal);
        Assert.Equal("one\ntwo 266668\n", second.Text);
    }

    [Fact]
    public async Task Run_AllSnapshotsAreDamaged_FailsOrStartsCleanAsAsked()
    {
        await using var fleet = new Fleet();
        var (snapshots, oldPacks, newPacks) = await TwoSnapshotsAsync(fleet);
        foreach (var pack in (string[])[.. oldPacks, .. newPacks])
        {
            Fleet.FlipByte(pack);
        }

        var b = await fleet.MachineAsync("machine-b");
        var failed = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--on-restore-failure", "fail"));
        Fleet.AssertStatus(176, failed);
        Assert.Empty(failed.Text);
        Assert.Contains("--on-restore-failure=restart", failed.Errors.TrimEnd('\n').Split('\n')[^1], StringComparison.Ordinal);
        Assert.Equal(snapshots, fleet.Snapshots());

        // The lease was given back: no wait for a dead holder.
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/two");
        var clean = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--lease-wait", "0"));
        Fleet.AssertStatus(0, clean);
        Assert.Contains("starts from the beginning", clean.Errors, StringComparison.Ordinal);
        Assert.Equal("started\none\ntwo 266668\n", clean.Text);
    }

    /// <summary>One snapshot before and one after the program grew; the packs that each of them wrote.</summary>
    private static async Task<(long[] Snapshots, string[] OldPacks, string[] NewPacks)> TwoSnapshotsAsync(Fleet fleet)
    {
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        var old = fleet.Packs();
        Fleet.Open(a, "/run/one");
        await Fleet.UntilPrintedAsync(run, "one\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();
        Assert.Equal(2, fleet.Snapshots().Length);
        var added = fleet.Packs().Except(old).ToArray();
        Assert.NotEmpty(added);
        return (fleet.Snapshots(), old, added);
    }
}
