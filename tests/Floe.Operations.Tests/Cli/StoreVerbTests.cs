using Floe.S3;
using Floe.Store;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>What the verbs show of a store in which somebody has written what a terminal would obey.</summary>
public sealed class StoreVerbTests : IDisposable
{
    private const string Key = "a-task-with-a-name-of-42-characters-in-all";

    private readonly ScratchFolder _folder = new();

    private string Store => "file://" + _folder["store"];

    [Fact]
    public async Task List_HostileStore_ShowsEachTaskOnOneLineThatNothingObeys()
    {
        await WriteAsync();
        var said = await FloeProgram.RunAsync(["list", "--store", Store]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("host\\x1b[2J", said.Out, StringComparison.Ordinal);
        Assert.Contains("sh -c 'a b' $'x\\ny\\x1b]0;t\\x07'", said.Out, StringComparison.Ordinal);
        Assert.Equal(2, said.Out.TrimEnd().Split('\n').Length);
        Assert.DoesNotContain('\e', said.Out);
        Assert.Equal("sh -c a b x\ny\e]0;t\a", (await FloeProgram.RunAsync(["list", "--store", Store, "--json"])).Json[0].GetProperty("command").GetString());
    }

    [Fact]
    public async Task Show_HostileStore_EscapesWhatATerminalWouldObey()
    {
        await WriteAsync();
        var said = await FloeProgram.RunAsync(["show", Key, "--store", Store]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("command    sh -c 'a b' $'x\\ny\\x1b]0;t\\x07'\n", said.Out, StringComparison.Ordinal);
        Assert.Contains("folder     /w\\u202eork\n", said.Out, StringComparison.Ordinal);
        Assert.Contains("machine    m\\x1b[31m: ", said.Out, StringComparison.Ordinal);
        Assert.Contains("held by    host\\x1b[2J\n", said.Out, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', said.Out);
    }

    [Fact]
    public async Task List_NarrowTerminal_KeepsHeadingsAndRowsWhole()
    {
        await WriteAsync();
        var screen = await OnTerminalAsync($"list --store {Store}");
        Assert.Contains("TASK                                        SNAPSHOTS  NEWEST", screen, StringComparison.Ordinal);
        Assert.Contains($"{Key}          1  ", screen, StringComparison.Ordinal);
        Assert.Equal(2, screen.TrimEnd().Split('\n').Length);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>One task with one snapshot, held.</summary>
    private async Task WriteAsync()
    {
        await using var objects = ObjectStores.Open(StoreUrl.TryParse(Store, out _)!, new ObjectStoreOptions(), NullLoggerFactory.Instance, TimeProvider.System);
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: true, CancellationToken.None);
        // Not disposed: it stays held.
        var lease = await store.AcquireLeaseAsync(TaskKey.Parse(Key), new LeaseRequest { HolderId = "agent", Host = "host\e[2J" }, CancellationToken.None);
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), new SnapshotWriterOptions());
        writer.AddSmallImage("image", "text"u8.ToArray());
        await writer.CommitAsync(
            new TaskFacts { Command = ["sh", "-c", "a b", "x\ny\e]0;t\a"], WorkingDirectory = "/w\u202eork", RootPid = 1000, HighestPid = 1000 },
            new MachineFacts { HostName = "m\e[31m", Architecture = "x86_64", KernelRelease = "6.1", CriuVersion = "4.1" },
            new SnapshotTimings(), CancellationToken.None);
    }

    private async Task<string> OnTerminalAsync(string verb)
    {
        Assert.Equal(0, (await FloeTerminal.Start(verb, _folder["screen"]).Exited).ShellCode);
        return await File.ReadAllTextAsync(_folder["screen"]);
    }
}
