using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>Files with two names, and folders, in a working directory in which other programs write too.</summary>
public sealed class SharedFolderNamesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _work;
    private readonly MemorySnapshot _snapshot = new();
    private DateTimeOffset _taken;

    public SharedFolderNamesTests() => _work = _scratch.Folder("work");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task PutBack_AnotherReplacedTheSecondName_TheirsStays()
    {
        await CaptureTwoNamesAsync();
        File.Delete(In("third"));
        Replace("second", "theirs, and newer");
        await PutBackAsync();
        Assert.Equal(("the task's", "theirs, and newer"), (Read("first"), Read("second")));
    }

    [Fact]
    public async Task PutBack_AnotherReplacedTheFirstName_TheSecondKeepsTheTasksBytes()
    {
        await CaptureTwoNamesAsync();
        Replace("first", "theirs, and newer");
        await PutBackAsync();
        Assert.Equal(("theirs, and newer", "the task's", "the task's"), (Read("first"), Read("second"), Read("third")));
        Assert.Equal(Inode("second"), Inode("third"));
    }

    [Fact]
    public async Task PutBack_AnotherReplacedTheFirstNameAndTheOthersAreGone_TheyAreTheTasksFileAgain()
    {
        await CaptureTwoNamesAsync();
        Replace("first", "theirs, and newer");
        File.Delete(In("second"));
        File.Delete(In("third"));
        await PutBackAsync();
        Assert.Equal(("theirs, and newer", "the task's"), (Read("first"), Read("second")));
        Assert.Equal(Inode("second"), Inode("third"));
    }

    /// <summary>As on a machine where the task was before. Taking the first name away touches the change time that the others have too.</summary>
    [Fact]
    public async Task PutBack_OlderFileWithTheSameNames_AllAreReplaced()
    {
        await CaptureTwoNamesAsync();
        File.Delete(In("first"));
        File.Delete(In("second"));
        File.Delete(In("third"));
        Write("first", "old");
        File.SetLastWriteTimeUtc(In("first"), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        Link("first", "second");
        Link("first", "third");
        await Task.Delay(12, TestContext.Current.CancellationToken);
        _taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(12, TestContext.Current.CancellationToken);
        await PutBackAsync();
        Assert.Equal("the task's", Read("first"));
        Assert.Equal((Inode("first"), Inode("first")), (Inode("second"), Inode("third")));
    }

    /// <summary>The folder's own times tell nothing of a file deep in it that another program wrote anew.</summary>
    [Fact]
    public async Task PutBack_RemovedFolderWithANewerFileOfOthers_OnlyThatStays()
    {
        MakeFolder();
        await CaptureAsync(() => Directory.Delete(In("folder"), recursive: true));
        MakeFolder();
        await ThenAsync(() => Write("folder/below/result", "theirs, and newer"));
        await PutBackAsync();
        Assert.Equal("theirs, and newer", Read("folder/below/result"));
        Assert.False(Path.Exists(In("folder/old")));
        Assert.False(Path.Exists(In("folder/below/older")));
    }

    [Fact]
    public async Task PutBack_FileWhereAFolderHasANewerFileOfOthers_TheFolderStays()
    {
        MakeFolder();
        await CaptureAsync(() =>
        {
            Directory.Delete(In("folder"), recursive: true);
            Write("folder", "a file");
        });
        File.Delete(In("folder"));
        MakeFolder();
        Directory.SetLastWriteTimeUtc(In("folder"), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        Directory.SetLastWriteTimeUtc(In("folder"), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        await ThenAsync(() => Write("folder/below/result", "theirs, and newer"));
        await PutBackAsync();
        Assert.Equal(("old", "theirs, and newer"), (Read("folder/old"), Read("folder/below/result")));
    }

    [Fact]
    public async Task PutBack_RemovedFolderThatNobodyTouched_IsGone()
    {
        MakeFolder();
        await CaptureAsync(() => Directory.Delete(In("folder"), recursive: true));
        MakeFolder();
        await ThenAsync(() => { });
        await PutBackAsync();
        Assert.False(Path.Exists(In("folder")));
    }

    private void MakeFolder()
    {
        Directory.CreateDirectory(In("folder/below"));
        Write("folder/below/older", "old");
        Write("folder/below/result", "old");
        Write("folder/old", "old");
    }

    private Task CaptureTwoNamesAsync() => CaptureAsync(() =>
    {
        Write("first", "the task's");
        Link("first", "second");
        Link("first", "third");
    });

    /// <summary>What was made until now is older than the snapshot, what comes now is newer.</summary>
    private async Task ThenAsync(Action change)
    {
        await Task.Delay(12);
        _taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(12);
        change();
    }

    private FileScope Scope() => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _work, Exclude = ["/tmp", "/dev/shm"] });

    private async Task CaptureAsync(Action change)
    {
        await Task.Delay(12);
        var baseline = await FileBaseline.TakeAsync(Scope(), _scratch["baseline"], CancellationToken.None);
        change();
        await FileCapture.RunAsync(Scope(), baseline, _snapshot, CancellationToken.None);
        await ThenAsync(() => { });
    }

    private async Task PutBackAsync()
    {
        var baseline = await FileBaseline.TakeAsync(Scope(), _scratch["baseline-2"], CancellationToken.None);
        await FilePutBack.RunAsync(Scope(), _snapshot, new PutBackOptions { Baseline = baseline, Taken = _taken }, CancellationToken.None);
    }

    /// <summary>As programs do that never leave half a file.</summary>
    private void Replace(string name, string text)
    {
        Write("new", text);
        File.Move(In("new"), In(name), overwrite: true);
    }

    private void Link(string name, string second) => Assert.Equal(0, NativeName.Link(Interop.AT_FDCWD, Name(name), Interop.AT_FDCWD, Name(second)));

    private ulong Inode(string name) => NativeName.Stat(Interop.AT_FDCWD, Name(name), out var stat) == 0 ? stat.stx_ino : 0;

    private byte[] Name(string name) => NativeName.Terminated(Encoding.UTF8.GetBytes(In(name)));

    private string In(string name) => Path.Combine(_work, name);

    private void Write(string name, string text) => File.WriteAllText(In(name), text);

    private string Read(string name) => File.ReadAllText(In(name));
}
