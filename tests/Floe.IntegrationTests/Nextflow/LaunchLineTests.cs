using System.Text;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>A task started by Nextflow's launch line, with what it finds, leaves behind and survives.</summary>
public sealed class LaunchLineTests
{
    // At two lines it waits for a gate, which a test that wants to be in time for a reclaim leaves shut on the first machines.
    private const string Lines = "for i in $(seq 1 40); do echo \"out $i\"; echo \"err $i\" >&2; echo \"$i\" >> numbers; "
        + "case $i in 7|25) until [ -e /run/open-$i ] || [ ! -e /run/gated ]; do sleep 0.02; done;; esac; done";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_Undisturbed_LeavesWhatNextflowLooksForAndNoSnapshots(bool trace)
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        await job.SubmitAsync(Lines, trace);
        var ended = await job.RunAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("0", await job.TextAsync(".exitcode"));
        Assert.Equal(Numbered("out"), await job.TextAsync(".command.out"));
        Assert.Equal(Numbered("err"), await job.TextAsync(".command.err"));
        Assert.Equal(Numbered(""), await job.TextAsync("numbers"));
        Assert.Equal(Numbered("out"), ended.Text);
        // Both streams, each in its order.
        var log = (await job.TextAsync(".command.log")).Split('\n');
        Assert.Equal(Numbered("out"), string.Concat(log.Where(l => l.StartsWith("out", StringComparison.Ordinal)).Select(l => l + "\n")));
        Assert.Equal(Numbered("err"), string.Concat(log.Where(l => l.StartsWith("err", StringComparison.Ordinal)).Select(l => l + "\n")));
        Assert.Equal(81, log.Length);
        Assert.Equal([".floe/attempt-1.log", ".floe/floe.json", ".floe/trace.json"], await job.OwnAsync());
        Assert.Contains("store s3://", await job.TextAsync(".floe/attempt-1.log"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_ReclaimedTwice_LogsAreWholeAndTheTraceTellsIt(bool trace)
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        await job.SubmitAsync(Lines, trace);
        job.Prepare = machine =>
        {
            File.WriteAllText($"{machine.RootPath}/run/gated", "");
            foreach (var gate in ((string[])["7", "25"]).Take(job.Attempts - 1))
            {
                File.WriteAllText($"{machine.RootPath}/run/open-{gate}", "");
            }
        };
        var ended = await job.RunAsync(a => a.UntilPrintedAsync("out 7\n"), a => a.UntilPrintedAsync("out 25\n"));
        Assert.Equal(3, job.Attempts);
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("0", await job.TextAsync(".exitcode"));
        Assert.Equal(Numbered("out"), await job.TextAsync(".command.out"));
        Assert.Equal(Numbered("err"), await job.TextAsync(".command.err"));
        Assert.Equal(Numbered(""), await job.TextAsync("numbers"));
        var log = (await job.TextAsync(".command.log")).Split('\n');
        Assert.Equal(Numbered("out"), string.Concat(log.Where(l => l.StartsWith("out", StringComparison.Ordinal)).Select(l => l + "\n")));
        Assert.Equal(Numbered("err"), string.Concat(log.Where(l => l.StartsWith("err", StringComparison.Ordinal)).Select(l => l + "\n")));
        Assert.Equal(81, log.Length);
        Assert.Equal([".floe/attempt-1.log", ".floe/attempt-2.log", ".floe/attempt-3.log", ".floe/floe.json", ".floe/trace.json"], await job.OwnAsync());
        var story = await job.TextAsync(".floe/trace.json");
        Assert.Equal(2, story.Split("\"Notice\"").Length - 1);
    }

    [Fact]
    public async Task Run_MachineDiesWithoutASnapshot_NextAttemptStartsInACleanWorkDirectory()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        await job.SubmitAsync("[ ! -e closed ] && [ ! -e half ] || { echo stale >&2; exit 9; }; cat given; echo done > closed; exec 5> half; echo x >&5; echo ready; sleep 2; cat closed", false);
        await job.WriteAsync("given", "was here\n");
        var first = await job.StartAsync();
        await first.UntilPrintedAsync("ready\n");
        await job.UntilAsync(first, () => job.ExistsAsync("closed"), "closed");
        await first.Machine.DestroyAsync();
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("was here\nready\ndone\n", await job.TextAsync(".command.out"));
        Assert.Contains("attempt 2, but there is no snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.Contains("that an earlier attempt left", ended.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_WrittenToAfterTheSnapshotByALifeThatDied_ItIsUndone()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        job.Environment["FLOE_LEASE_WAIT"] = "1";
        await job.SubmitAsync("echo one > early; echo ready; sleep 5; set -C; echo two > late; echo wrote; sleep 4; cat early late", false);
        var first = await job.StartAsync();
        await first.UntilPrintedAsync("ready\n");
        await job.UntilAsync(first, () => job.ExistsAsync("early"), "early");
        Assert.True(await first.ReclaimAsync());
        // The second life writes a file that must not be there yet, and dies without a snapshot.
        var second = await job.StartAsync();
        await second.UntilPrintedAsync("wrote\n");
        await job.UntilAsync(second, () => job.ExistsAsync("late"), "late");
        await second.Machine.DestroyAsync();
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("ready\nwrote\none\ntwo\n", await job.TextAsync(".command.out"));
        Assert.Equal("", await job.TextAsync(".command.err"));
        Assert.True(ended.Errors.Contains("after the snapshot", StringComparison.Ordinal), ended.Errors);
    }

    [Fact]
    public async Task Run_MachineOutlivesItsNotice_TheTaskGoesOnThere()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        job.Environment["FLOE_RETURN_AFTER"] = "0";
        job.Prepare = machine => File.WriteAllText($"{machine.RootPath}/run/gated", "");
        await job.SubmitAsync(Lines + "; rm numbers; echo local > /var/tmp/mine; sleep 1; cat /var/tmp/mine", true);
        var first = await job.StartAsync();
        await first.UntilPrintedAsync("out 7\n");
        first.GiveNotice(TimeSpan.FromSeconds(8));
        await first.UntilLoggedAsync("waiting for the machine to end");
        File.WriteAllText($"{first.Machine.RootPath}/run/open-7", "");
        File.WriteAllText($"{first.Machine.RootPath}/run/open-25", "");
        first.Process.Signal(15);
        var ended = await first.EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Contains("is still here: the task goes on here", ended.Errors, StringComparison.Ordinal);
        Assert.Equal(Numbered("out") + "local\n", await job.TextAsync(".command.out"));
        Assert.Equal(Numbered("out") + "local\n", ended.Text);
        Assert.DoesNotContain("tasks/", string.Join(' ', await job.OwnAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Cancelled_SigtermReachesTheWrapperAndNothingIsSnapshotted()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        await job.SubmitAsync("echo ready; sleep 60", false);
        var first = await job.StartAsync();
        await first.UntilPrintedAsync("ready\n");
        first.Process.Signal(15);
        var ended = await first.EndAsync();
        Assert.True(ended.Status.ShellCode == 143, $"{ended.Status}: {ended.Errors}");
        Assert.Equal("143", await job.TextAsync(".exitcode"));
        Assert.DoesNotContain("Snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("tasks/", string.Join(' ', await job.OwnAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_SubmittedAgain_NeverRestoresAnotherJobsState()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        await job.SubmitAsync("echo begun; sleep 5; echo ended", false);
        var first = await job.StartAsync();
        await first.UntilPrintedAsync("begun\n");
        Assert.True(await first.ReclaimAsync());
        job.Id = Guid.NewGuid().ToString();
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.DoesNotContain("Restored snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.Equal("begun\nended\n", ended.Text);
    }

    [Fact]
    public async Task Run_OnDemand_WatchesForNoNotice()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        await job.SubmitAsync("echo ready; sleep 4; echo ended", false);
        job.LifeCycle = "on-demand";
        var first = await job.StartAsync();
        await first.UntilPrintedAsync("ready\n");
        await first.UntilLoggedAsync("paid on demand");
        first.GiveNotice(TimeSpan.FromSeconds(60));
        var ended = await first.EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("ready\nended\n", ended.Text);
    }

    private static string Numbered(string word)
    {
        var text = new StringBuilder();
        for (var i = 1; i <= 40; i++)
        {
            text.Append(word.Length == 0 ? $"{i}\n" : $"{word} {i}\n");
        }

        return text.ToString();
    }
}
