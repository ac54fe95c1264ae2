using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A restore fails after the files were put back into a folder in which other programs write too.</summary>
public sealed class SharedFolderTakenBackTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _work;
    private DateTimeOffset _taken;
    private int _listings;
    private readonly List<string> _saved = [];

    public SharedFolderTakenBackTests() => _work = _scratch.Folder("work");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Dispose_OthersWroteWhatWasPutBackMeanwhile_TheirsStays()
    {
        var snapshot = await CaptureAsync(() =>
        {
            Write("made", "the task's");
            Write("replaced", "the task's");
            Write("kept", "the task's");
            Write("appended", "the task's");
            Directory.CreateDirectory(In("folder"));
            Directory.CreateDirectory(In("empty"));
        });
        Empty();
        Write("replaced", "old");
        Write("kept", "old");
        Write("appended", "older");
        foreach (var name in (string[])["replaced", "kept", "appended"])
        {
            File.SetLastWriteTimeUtc(In(name), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        }

        using (await BeginAsync(snapshot, await ListAsync(), TimeProvider.System.GetUtcNow().AddHours(1)))
        {
            Assert.Equal("the task's", Read("kept"));
            foreach (var name in (string[])["made", "replaced"])
            {
                Write("new", "theirs");
                File.Move(In("new"), In(name), overwrite: true);
            }

            Write("folder/result", "theirs");
            File.AppendAllText(In("appended"), " and theirs");
        }

        Assert.Equal(("theirs", "theirs", "theirs", "old"), (Read("made"), Read("replaced"), Read("folder/result"), Read("kept")));
        Assert.False(Path.Exists(In("empty")));
        Assert.Equal("the task's and theirs", Read("appended"));

        // What cannot go back nobody else has.
        var saved = Directory.GetFiles(In(".floe-putback"));
        Assert.Equal(["old", "older"], saved.Select(File.ReadAllText).Order(StringComparer.Ordinal));
        Assert.Equal(
            saved.Select(file => $"{file} (was {In(File.ReadAllText(file) == "old" ? "replaced" : "appended")})").Order(StringComparer.Ordinal),
            _saved.Order(StringComparer.Ordinal));
        using var files = await BeginAsync(snapshot, await ListAsync(), _taken);
        files.Keep();
        Assert.Equal(saved, Directory.GetFiles(In(".floe-putback")));
    }

    /// <summary>They were made for a file of the task, and belong to whom the folder around them does.</summary>
    [Fact]
    public async Task Dispose_FoldersWereMadeForAFile_AreGone()
    {
        Directory.CreateDirectory(In("outer/inner"));
        FileStream? open = null;
        var snapshot = await CaptureAsync(() => open = File.Open(In("outer/inner/held"), FileMode.Create, FileAccess.Write));
        await open!.DisposeAsync();
        Empty();
        if (Interop.geteuid() == 0)
        {
            Assert.Equal(0, NativeName.ChangeOwner(Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(_work)), 1234, 1234));
        }

        using (await BeginAsync(snapshot, await ListAsync(), _taken))
        {
            Assert.True(File.Exists(In("outer/inner/held")));
            Assert.Equal((Owner(_work), Owner(_work)), (Owner(In("outer")), Owner(In("outer/inner"))));
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(_work));
    }

    /// <summary>Moving a file away and back is no change that another program made.</summary>
    [Fact]
    public async Task PutBack_EarlierSnapshotAfterOneThatFailed_OlderFileIsReplaced()
    {
        var snapshot = await CaptureAsync(() => Write("file", "the task's"));
        Write("file", "old");
        File.SetLastWriteTimeUtc(In("file"), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        var baseline = await ListAsync();
        var taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(12, TestContext.Current.CancellationToken);
        (await BeginAsync(snapshot, baseline, taken)).Dispose();
        (await BeginAsync(snapshot, baseline, taken)).Dispose();
        Assert.Equal("old", Read("file"));
        using var files = await BeginAsync(snapshot, baseline, taken);
        files.Keep();
        Assert.Equal("the task's", Read("file"));
    }

    private async Task<MemorySnapshot> CaptureAsync(Action change)
    {
        var baseline = await ListAsync();
        change();
        var snapshot = new MemorySnapshot();
        await FileCapture.RunAsync(Scope(), baseline, snapshot, new FileCaptureOptions { Processes = [Environment.ProcessId] }, CancellationToken.None);
        _taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(12);
        return snapshot;
    }

    private async Task<FileBaseline> ListAsync()
    {
        // Past the tick of the coarse clock.
        await Task.Delay(12);
        return await FileBaseline.TakeAsync(Scope(), _scratch[$"listing-{_listings++}"], CancellationToken.None);
    }

    private Task<FilesInPlace> BeginAsync(MemorySnapshot snapshot, FileBaseline baseline, DateTimeOffset taken) =>
        FilePutBack.BeginAsync(Scope(), snapshot, new PutBackOptions { Baseline = baseline, Taken = taken, Saved = _saved.AddRange }, CancellationToken.None);

    private FileScope Scope() => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _work, Exclude = ["/tmp", "/dev/shm"] });

    private void Empty()
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(_work).ToList())
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
            else
            {
                File.Delete(path);
            }
        }
    }

    private static uint Owner(string path) => NativeName.Stat(Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(path)), out var stat) == 0 ? stat.stx_uid : uint.MaxValue;

    private string In(string name) => Path.Combine(_work, name);

    private void Write(string name, string text) => File.WriteAllText(In(name), text);

    private string Read(string name) => File.ReadAllText(In(name));
}
