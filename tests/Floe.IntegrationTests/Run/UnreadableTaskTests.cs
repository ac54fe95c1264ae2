using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>A task whose lease is no lease any more: one clear line of it, and the others of the store are not concerned.</summary>
public sealed class UnreadableTaskTests
{
    private const string Script = Fleet.Gate + "echo started; gate /run/go; echo end";

    [Fact]
    public async Task List_LeaseIsGarbage_OtherTasksAreListedAndTheStatusIs174()
    {
        await using var fleet = new Fleet();
        var machine = await SpoilAsync(fleet);
        var listed = await fleet.FloeAsync(machine, "list", "--store", "file:///store", "--json");
        Fleet.AssertStatus(174, listed);
        var rows = Fleet.Json(listed).EnumerateArray().ToDictionary(row => row.GetProperty("key").GetString()!, row => row.GetProperty("problem").GetString());
        Assert.Equal(["other", Fleet.Key], rows.Keys.Order(StringComparer.Ordinal));
        Assert.Null(rows["other"]);
        Assert.Contains("no lease", rows[Fleet.Key], StringComparison.Ordinal);
        AssertNoTrace(listed);
        Assert.Contains("damaged", (await fleet.FloeAsync(machine, "list", "--store", "file:///store")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_LeaseIsGarbage_IsReportedForThatTask()
    {
        await using var fleet = new Fleet();
        var machine = await SpoilAsync(fleet);
        var verified = await fleet.FloeAsync(machine, "verify", "--store", "file:///store", "--json");
        Fleet.AssertStatus(174, verified);
        var sound = Fleet.Json(verified).EnumerateArray().ToDictionary(row => row.GetProperty("key").GetString()!, row => row.GetProperty("isSound").GetBoolean());
        Assert.Equal([("other", true), (Fleet.Key, false)], sound.Select(p => (p.Key, p.Value)).OrderBy(p => p.Key, StringComparer.Ordinal));
        Fleet.AssertStatus(174, await fleet.FloeAsync(machine, "verify", Fleet.Key, "--store", "file:///store"));
    }

    [Theory]
    [InlineData("show", Fleet.Key)]
    [InlineData("rm", Fleet.Key)]
    [InlineData("export", Fleet.Key, "/tmp/out")]
    [InlineData("run", "--key", Fleet.Key, "--notices=none", "--", "/bin/true")]
    public async Task Verb_LeaseIsGarbage_Status174AndOneLine(string verb, params string[] words)
    {
        await using var fleet = new Fleet();
        var machine = await SpoilAsync(fleet);
        var result = await fleet.FloeAsync(machine, [verb, "--store", "file:///store", .. words]);
        Fleet.AssertStatus(174, result);
        Assert.Contains("lease.json: it is no lease", result.Errors.TrimEnd('\n').Split('\n')[^1], StringComparison.Ordinal);
        AssertNoTrace(result);
    }

    [Fact]
    public async Task Remove_LeaseIsGarbageAndForced_TheTaskIsGone()
    {
        await using var fleet = new Fleet();
        var machine = await SpoilAsync(fleet);
        var removed = await fleet.FloeAsync(machine, "rm", Fleet.Key, "--force", "--store", "file:///store", "--json");
        Fleet.AssertStatus(0, removed);
        Assert.Equal(Fleet.Key, Fleet.Json(removed).GetProperty("key").GetString());
        Fleet.AssertStatus(0, await fleet.FloeAsync(machine, "list", "--store", "file:///store"));
        Fleet.AssertStatus(2, await fleet.FloeAsync(machine, "show", Fleet.Key, "--store", "file:///store"));
    }

    /// <summary>Two tasks, one with a snapshot; the lease of that one is overwritten.</summary>
    private static async Task<Machine> SpoilAsync(Fleet fleet)
    {
        var machine = await fleet.MachineAsync("machine-a");
        Fleet.AssertStatus(0, await fleet.FloeAsync(machine, "run", "--store", "file:///store", "--key", "other", "--keep", "--notices=none", "--", "/bin/true"));
        var run = await fleet.RunScriptAsync(machine, Script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        await fleet.TakeAwayAsync(machine, run);
        await File.WriteAllTextAsync($"{fleet.StoreFolder}/tasks/{Fleet.Key}/lease.json", "garbage", Fleet.Token);
        return machine;
    }

    private static void AssertNoTrace(MachineResult result) => Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
}
