using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A task that goes on where it was frozen finds its files there; at its next move all of them must travel again. Takes 1 s.</summary>
public sealed class ResumedInPlaceTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _work;
    private DateTimeOffset _taken;
    private int _lives;

    public ResumedInPlaceTests() => _work = _scratch.Folder("work");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Capture_AfterALifeInTheSameFolder_HoldsWhatTheFirstOneMade()
    {
        File.WriteAllText(In("removed"), "of the image");
        var first = await LiveAsync(null, () =>
        {
            File.WriteAllText(In("file"), "closed");
            File.WriteAllText(In("empty"), "");
            Directory.CreateDirectory(In("folder"));
            File.CreateSymbolicLink(In("link"), "file");
            Assert.Equal(0, NativeName.MakeNode(Interop.AT_FDCWD, Name("fifo"), Interop.S_IFIFO | 0x180, 0));
            Assert.Equal(0, NativeName.Link(Interop.AT_FDCWD, Name("file"), Interop.AT_FDCWD, Name("second")));
            File.Delete(In("removed"));
        });
        var inode = Inode("file");
        var second = await LiveAsync(first, () => { });
        Assert.Equal(inode, Inode("file"));

        Directory.Delete(_work, recursive: true);
        Directory.CreateDirectory(_work);
        File.WriteAllText(In("removed"), "of the image");
        File.SetLastWriteTimeUtc(In("removed"), _taken.UtcDateTime.AddDays(-1));
        await LiveAsync(second, () => { }, taken: TimeProvider.System.GetUtcNow().AddHours(1));
        Assert.Equal(["empty", "fifo", "file", "folder", "link", "second"], Names());
        Assert.Equal("closed", File.ReadAllText(In("link")));
        Assert.Equal(Inode("file"), Inode("second"));
    }

    [Fact]
    public async Task Capture_FileThatTheFirstLifeHadOpen_Travels()
    {
        FileStream? open = null;
        var first = await LiveAsync(null, () =>
        {
            open = File.Open(In("held"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
            open.Write("held"u8);
            open.Flush();
        });
        open!.Dispose();
        var inode = Inode("held");
        var second = await LiveAsync(first, () => { });
        Assert.Equal(inode, Inode("held"));
        Directory.Delete(_work, recursive: true);
        Directory.CreateDirectory(_work);
        await LiveAsync(second, () => { }, taken: TimeProvider.System.GetUtcNow().AddHours(1));
        Assert.Equal("held", File.ReadAllText(In("held")));
    }

    /// <summary>It was there when the second life began, and is the task's to remove.</summary>
    [Fact]
    public async Task Capture_SecondLifeRemovesWhatTheFirstMade_RemovalTravels()
    {
        var first = await LiveAsync(null, () => File.WriteAllText(In("file"), "x"));
        var second = await LiveAsync(first, () => File.Delete(In("file")));
        File.WriteAllText(In("file"), "x");
        await LiveAsync(second, () => { }, taken: TimeProvider.System.GetUtcNow().AddHours(1));
        Assert.Empty(Names());
    }

    /// <summary>Another program's result, which was there for the task.</summary>
    [Fact]
    public async Task Capture_NewerFileOfOthersWasLeft_TravelsAgain()
    {
        var first = await LiveAsync(null, () => File.WriteAllText(In("result"), "half"));
        File.WriteAllText(In("result"), "whole");
        var second = await LiveAsync(first, () => { });
        File.Delete(In("result"));
        await LiveAsync(second, () => { });
        Assert.Equal("whole", File.ReadAllText(In("result")));
    }

    /// <summary>What was found in place, was replaced by a restore that failed and came back, is no part of the image either.</summary>
    [Fact]
    public async Task Capture_AFailedPutBackBroughtFilesBack_TheyStillTravel()
    {
        var first = await LiveAsync(null, () => File.WriteAllText(In("file"), "x"));
        var baseline = await BaselineAsync();
        await FilePutBack.RunAsync(Scope(), first, new PutBackOptions { Baseline = baseline, Taken = _taken }, CancellationToken.None);
        (await FilePutBack.BeginAsync(Scope(), first, new PutBackOptions { Baseline = baseline }, CancellationToken.None)).Dispose();
        var second = await CaptureAsync(baseline);
        File.Delete(In("file"));
        await LiveAsync(second, () => { });
        Assert.Equal(["file"], Names());
    }

    /// <summary>Begins from a snapshot, changes files, and gives the snapshot that is taken then.</summary>
    private async Task<MemorySnapshot> LiveAsync(MemorySnapshot? from, Action change, DateTimeOffset? taken = null)
    {
        var baseline = await BaselineAsync();
        if (from is not null)
        {
            await FilePutBack.RunAsync(Scope(), from, new PutBackOptions { Baseline = baseline, Taken = taken ?? _taken }, CancellationToken.None);
        }

        change();
        return await CaptureAsync(baseline);
    }

    private async Task<FileBaseline> BaselineAsync()
    {
        // Past the tick of the coarse clock, as the lives of a task are.
        await Task.Delay(12);
        return await FileBaseline.TakeAsync(Scope(), _scratch[$"baseline-{_lives++}"], CancellationToken.None);
    }

    private async Task<MemorySnapshot> CaptureAsync(FileBaseline baseline)
    {
        var snapshot = new MemorySnapshot();
        _taken = TimeProvider.System.GetUtcNow();
        await FileCapture.RunAsync(Scope(), baseline, snapshot, CancellationToken.None);
        await Task.Delay(12);
        return snapshot;
    }

    private FileScope Scope() => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _work, Exclude = ["/tmp", "/dev/shm"] });

    private IEnumerable<string> Names() => Directory.EnumerateFileSystemEntries(_work).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);

    private ulong Inode(string name) => NativeName.Stat(Interop.AT_FDCWD, Name(name), out var stat) == 0 ? stat.stx_ino : 0;

    private byte[] Name(string name) => NativeName.Terminated(Encoding.UTF8.GetBytes(In(name)));

    private string In(string name) => Path.Combine(_work, name);
}
