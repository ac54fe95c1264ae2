using System.Security.Cryptography;
using System.Text;
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
        await MakeNewerAsync(fleet.Manifest(snapshots[1]));

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, "--on-restore-failure", "restart"));
        Fleet.AssertStatus(174, second);
        Assert.Empty(second.Text);
        Assert.Contains("upgrade floe", second.Errors, StringComparison.Ordinal);
        Assert.Equal(snapshots, fleet.Snapshots());
    }

    /// <summary>As a later Floe would have written it, seal included (docs/format.md, "Sealed JSON").</summary>
    private static async Task MakeNewerAsync(string manifest)
    {
        var text = await File.ReadAllTextAsync(manifest, Fleet.Token);
        var body = text[..text.LastIndexOf(",\"sha256\":", StringComparison.Ordinal)].Replace("\"formatVersion\":1", "\"formatVersion\":2", StringComparison.Ordinal);
        await File.WriteAllTextAsync(manifest, $"{body},\"sha256\":\"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)))}\"}}\n", Fleet.Token);
    }
}
