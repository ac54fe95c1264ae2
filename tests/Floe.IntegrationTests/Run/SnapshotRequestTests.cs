using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>`floe snapshot`: asked of the running agent over its control socket.</summary>
public sealed class SnapshotRequestTests
{
    private const string Script = Fleet.Gate + "echo before; gate /run/go; echo after $((6 * 7))";

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Snapshot_Json_TellsWhatWasFrozenAndTheTaskGoesOnElsewhere(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "before\n");
        var asked = await fleet.SnapshotAsync(a, run, "--key", Fleet.Key, "--json");
        Fleet.AssertStatus(0, asked);
        var report = Fleet.Json(asked);
        Assert.Equal(Fleet.Key, report.GetProperty("key").GetString());
        Assert.Equal(report.GetProperty("sequence").GetInt64(), Assert.Single(fleet.Snapshots()));
        Assert.False(report.GetProperty("taskRuns").GetBoolean());
        Assert.InRange(report.GetProperty("processes").GetInt32(), 2, 4);
        Assert.InRange(report.GetProperty("readBytes").GetInt64(), 100_000, 100_000_000);
        Assert.InRange(report.GetProperty("sentBytes").GetInt64(), 1, report.GetProperty("readBytes").GetInt64());
        Assert.InRange(report.GetProperty("frozenMillis").GetInt64(), 1, report.GetProperty("totalMillis").GetInt64());
        var first = await Fleet.EndAsync(run);
        Fleet.AssertStatus(75, first);
        Assert.Equal("before\n", first.Text);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        var second = await fleet.RunScriptAsync(b, Script);
        await Fleet.UntilLoggedAsync(second, $"Restored snapshot {report.GetProperty("sequence").GetInt64()} of machine machine-a");
        Fleet.Open(b, "/run/go");
        var result = await Fleet.EndAsync(second);
        Fleet.AssertStatus(0, result);
        Assert.Equal("after 42\n", result.Text);
        Assert.Equal(["trace.json"], Directory.GetFileSystemEntries($"{fleet.StoreFolder}/tasks/{Fleet.Key}").Select(Path.GetFileName));
    }

    [Fact]
    public async Task Snapshot_LeaveRunning_TheTaskRunsOnHere()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--keep");
        await Fleet.UntilPrintedAsync(run, "before\n");
        List<long> sequences = [];
        for (var i = 0; i < 2; i++)
        {
            var asked = await fleet.SnapshotAsync(a, run, "--leave-running", "--json");
            Fleet.AssertStatus(0, asked);
            Assert.True(Fleet.Json(asked).GetProperty("taskRuns").GetBoolean());
            sequences.Add(Fleet.Json(asked).GetProperty("sequence").GetInt64());
        }

        Fleet.Open(a, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.Equal("before\nafter 42\n", result.Text);
        Assert.Equal(sequences, fleet.Snapshots());
    }

    [Fact]
    public async Task Snapshot_TwoAgents_TheKeyDecides()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var machine = await fleet.MachineAsync("machine-a");
        var one = await fleet.StartAsync(machine, "run", "--notices=none", "--store", "file:///store", "--key", "one", "--", "/bin/bash", "-c", Script);
        var two = await fleet.StartAsync(machine, "run", "--notices=none", "--store", "file:///store", "--key", "two", "--", "/bin/bash", "-c", Script);
        await Fleet.UntilPrintedAsync(one, "before\n");
        await Fleet.UntilPrintedAsync(two, "before\n");

        var unclear = await fleet.FloeAsync(machine, "snapshot");
        Fleet.AssertStatus(2, unclear);
        Assert.Contains("--key", unclear.Errors, StringComparison.Ordinal);
        Assert.Contains("one", unclear.Errors, StringComparison.Ordinal);
        Assert.Contains("two", unclear.Errors, StringComparison.Ordinal);

        Fleet.AssertStatus(0, await fleet.FloeAsync(machine, "snapshot", "--key", "two"));
        Fleet.AssertStatus(75, await Fleet.EndAsync(two));
        Fleet.Open(machine, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(one));
    }

    [Fact]
    public async Task Snapshot_OtherUser_IsRefused()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var machine = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(machine, Script);
        await Fleet.UntilPrintedAsync(run, "before\n");
        var ask = $"FLOE_STATE_DIR=/run/floe exec setpriv --reuid 65534 --regid 65534 --clear-groups {Fleet.Floe} snapshot --key {Fleet.Key}";
        var asked = await fleet.ShellAsync(machine, ask);
        Fleet.AssertStatus(2, asked);
        Assert.Contains($"no agent runs task '{Fleet.Key}' here", asked.Errors, StringComparison.Ordinal);

        // Modes are not all that stands in the way.
        asked = await fleet.ShellAsync(machine, $"chmod -R a+rwX /run/floe && {ask}");
        Fleet.AssertStatus(175, asked);
        Assert.Equal("floe: only the owner of the task may control it\n", asked.Errors);
        Assert.Empty(fleet.Snapshots());
        Assert.False(run.HasExited);
        Fleet.Open(machine, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(run));
    }
}
