using Floe.Agent.Files;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A folder that the agent shares with the task: the task's files travel, the agent's neither travel nor are removed.</summary>
public sealed class AgentFolderTests : IDisposable
{
    private const string Own = "mount-0123abcd-0123456789abcdef";
    private const string OthersOwn = "mount-4567cdef-0000000000000000";

    private readonly ScratchFolder _scratch = new();
    private readonly string _root;
    private int _listings;

    public AgentFolderTests()
    {
        _root = _scratch.Folder("root");
        Directory.CreateDirectory(In("shared"));
    }

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Capture_OnlyTheAgentsFiles_HasNoRecord()
    {
        var baseline = await ListAsync();
        MakeOwn(Own);

        await CaptureAsync(baseline);

        Assert.Equal(0, _captured.RecordCount);
    }

    [Fact]
    public async Task PutBack_OnTheNextMachine_BringsTheTasksFilesOnly()
    {
        var baseline = await ListAsync();
        MakeOwn(Own);
        Directory.CreateDirectory(In("shared/results"));
        File.WriteAllText(In("shared/results/one"), "1");
        var snapshot = await CaptureAsync(baseline);
        Assert.Equal(3, _captured.RecordCount);

        FreshMachine();
        baseline = await ListAsync();
        MakeOwn(OthersOwn);
        await PutBackAsync(snapshot, baseline);

        Assert.Equal("1", File.ReadAllText(In("shared/results/one")));
        Assert.True(File.Exists(In($"shared/{OthersOwn}/blocks")));
        Assert.False(Path.Exists(In($"shared/{Own}")));
    }

    /// <summary>Going back to a snapshot from before the task had files there takes those, and nothing of the agent's.</summary>
    [Fact]
    public async Task PutBack_OlderSnapshotWithoutTheTasksFiles_LeavesTheAgents()
    {
        var baseline = await ListAsync();
        MakeOwn(Own);
        var older = await CaptureAsync(baseline);
        File.WriteAllText(In("shared/later"), "x");
        await CaptureAsync(baseline);

        await PutBackAsync(older, baseline);

        Assert.False(File.Exists(In("shared/later")));
        Assert.True(File.Exists(In($"shared/{Own}/blocks")));
    }

    /// <summary>All of the task's that was there at the start is gone: each file is told, and never the folder.</summary>
    [Fact]
    public async Task PutBack_TheTaskRemovedItsFiles_RemovesThoseAndLeavesTheAgents()
    {
        File.WriteAllText(In("shared/input"), "x");
        var baseline = await ListAsync();
        MakeOwn(Own);
        File.Delete(In("shared/input"));
        var snapshot = await CaptureAsync(baseline);
        Assert.Equal(1, _captured.DeletedCount);

        FreshMachine();
        File.WriteAllText(In("shared/input"), "x");
        baseline = await ListAsync();
        MakeOwn(OthersOwn);
        await PutBackAsync(snapshot, baseline);

        Assert.False(File.Exists(In("shared/input")));
        Assert.True(File.Exists(In($"shared/{OthersOwn}/blocks")));
    }

    /// <summary>A snapshot of a machine where the folder was the task's alone, which the task has removed.</summary>
    [Fact]
    public async Task PutBack_TheFolderIsGoneInTheSnapshot_RemovesTheRestAndLeavesTheAgents()
    {
        Directory.Delete(In("shared"));
        var snapshot = Removed("shared");

        FreshMachine();
        Directory.CreateDirectory(In("shared/image"));
        File.WriteAllText(In("shared/image/file"), "x");
        var baseline = await ListAsync();
        MakeOwn(Own);

        await PutBackAsync(snapshot, baseline);

        Assert.True(File.Exists(In($"shared/{Own}/blocks")));
        Assert.Equal([In($"shared/{Own}")], Directory.EnumerateFileSystemEntries(In("shared")));
    }

    /// <summary>A folder that came with the task, in which somebody said that a part is not the task's.</summary>
    [Fact]
    public async Task PutBack_OlderSnapshotAndExcludedPartOfALaterFolder_LeavesThatPart()
    {
        var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [_root], Exclude = [In("later/excluded"), In("gone/excluded")] });
        await Task.Delay(TimeSpan.FromMilliseconds(12), TestContext.Current.CancellationToken);
        var baseline = await FileBaseline.TakeAsync(scope, _scratch["excluding"], CancellationToken.None);
        var older = new MemorySnapshot();
        await FileCapture.RunAsync(scope, baseline, older, CancellationToken.None);
        Directory.CreateDirectory(In("later/excluded"));
        Directory.CreateDirectory(In("later/other"));
        Directory.CreateDirectory(In("gone/other"));

        await FilePutBack.RunAsync(scope, older, new PutBackOptions { Baseline = baseline }, CancellationToken.None);

        Assert.Equal([In("later/excluded")], Directory.EnumerateFileSystemEntries(In("later")));
        Assert.False(Path.Exists(In("gone")));
    }

    /// <summary>The next machine's image was unpacked after the snapshot: change times tell nothing of others where nobody else writes.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PutBack_RemovedFolderIsOfAYoungerImageAndAPartIsExcluded_LeavesThatPartOnly(bool isThere)
    {
        var snapshot = Removed("gone");
        var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [_root], Exclude = [In("gone/excluded")] });
        Directory.CreateDirectory(In("gone/image"));
        File.WriteAllText(In("gone/image/file"), "x");
        if (isThere)
        {
            Directory.CreateDirectory(In("gone/excluded"));
        }

        await PutBackLaterAsync(scope, snapshot);

        Assert.Equal(isThere, Path.Exists(In("gone")));
        Assert.Equal(isThere ? [In("gone/excluded")] : [], isThere ? Directory.EnumerateFileSystemEntries(In("gone")) : []);
    }

    [Fact]
    public async Task PutBack_RemovedFolderHasARootBelow_RootStaysEmpty()
    {
        var snapshot = Removed("gone");
        var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [_root, In("gone/root")] });
        Directory.CreateDirectory(In("gone/image"));
        Directory.CreateDirectory(In("gone/root"));
        File.WriteAllText(In("gone/root/file"), "x");

        await PutBackLaterAsync(scope, snapshot);

        Assert.Equal([In("gone/root")], Directory.EnumerateFileSystemEntries(In("gone")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(In("gone/root")));
    }

    [Fact]
    public async Task PutBack_RemovedRootHasAnExcludedPart_LeavesThatPartOnly()
    {
        var snapshot = Removed("gone");
        var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [In("gone")], Exclude = [In("gone/excluded"), In("gone/deep/excluded")] });
        Directory.CreateDirectory(In("gone/excluded"));
        Directory.CreateDirectory(In("gone/deep/excluded"));
        File.WriteAllText(In("gone/deep/file"), "x");
        Directory.CreateDirectory(In("gone/image"));

        await PutBackLaterAsync(scope, snapshot);

        Assert.Equal([In("gone/deep"), In("gone/deep/excluded"), In("gone/excluded")], Directory.EnumerateFileSystemEntries(In("gone"), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal));
    }

    private FileCaptureResult _captured = null!;

    private string In(string path) => Path.Combine(_root, path);

    private FileScope Scope() => FileScope.Create(new FileScopeOptions
    {
        Mode = FileScopeMode.Included,
        Include = [_root],
        AgentFolders = [new AgentFolder(In("shared"), ["mount-########-################", "kept"])],
    });

    private MemorySnapshot Removed(string path)
    {
        var bytes = new MemoryStream();
        var writer = new RecordWriter(bytes);
        FileRecordCodec.WriteHeader(writer);
        FileRecordCodec.Write(writer, new FileRecord { Kind = FileRecordKind.Deleted, Path = KernelPath.FromText(In(path)) });
        FileRecordCodec.WriteEnd(writer, 1);
        writer.Flush();
        return new MemorySnapshot().With(FileStreams.ListName, bytes.ToArray());
    }

    /// <summary>A snapshot from before everything that is here was made.</summary>
    private async Task PutBackLaterAsync(FileScope scope, MemorySnapshot snapshot)
    {
        var baseline = await FileBaseline.TakeAsync(scope, _scratch["later-baseline"], CancellationToken.None);
        await FilePutBack.RunAsync(
            scope, snapshot, new PutBackOptions { Baseline = baseline, Taken = TimeProvider.System.GetUtcNow().AddHours(-1) }, CancellationToken.None);
    }

    private void MakeOwn(string name)
    {
        Directory.CreateDirectory(In($"shared/{name}"));
        File.WriteAllText(In($"shared/{name}/blocks"), "own");
    }

    private void FreshMachine()
    {
        Directory.Delete(_root, recursive: true);
        Directory.CreateDirectory(In("shared"));
    }

    private async Task<FileBaseline> ListAsync()
    {
        // Past the tick of the coarse clock.
        await Task.Delay(TimeSpan.FromMilliseconds(12));
        return await FileBaseline.TakeAsync(Scope(), _scratch[$"baseline-{_listings++}"], CancellationToken.None);
    }

    private async Task<MemorySnapshot> CaptureAsync(FileBaseline baseline)
    {
        var snapshot = new MemorySnapshot();
        _captured = await FileCapture.RunAsync(Scope(), baseline, snapshot, CancellationToken.None);
        return snapshot;
    }

    private Task<PutBackResult> PutBackAsync(MemorySnapshot snapshot, FileBaseline baseline) =>
        FilePutBack.RunAsync(Scope(), snapshot, new PutBackOptions { Baseline = baseline }, CancellationToken.None);
}
