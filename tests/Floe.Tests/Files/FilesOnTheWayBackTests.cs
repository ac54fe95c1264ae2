using Floe.Agent.Files;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A task goes from machine to machine, and comes back to one whose disk has what it left there.</summary>
public sealed class FilesOnTheWayBackTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _root;
    private string? _machine;
    private int _listings;
    private DateTimeOffset _taken;

    public FilesOnTheWayBackTests() => _root = Path.Combine(_scratch.Path, "root");

    public void Dispose() => _scratch.Dispose();

    /// <summary>The second machine never had the files before the task brought them, so its listing from the start has none of them to miss.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PutBack_WhatWasMadeHereAndRemovedElsewhere_IsGone(bool isShared)
    {
        GoTo("a");
        var baseline = await ListAsync(isShared);
        File.WriteAllText(In("made"), "x");
        File.WriteAllText(In("kept"), "x");
        Directory.CreateDirectory(In("folder"));
        File.WriteAllText(In("folder/below"), "x");
        var first = await CaptureAsync(isShared, baseline);

        GoTo("b");
        baseline = await PutBackAsync(isShared, first);
        File.Delete(In("made"));
        Directory.Delete(In("folder"), recursive: true);
        var second = await CaptureAsync(isShared, baseline);

        GoTo("c");
        baseline = await PutBackAsync(isShared, second);
        Assert.Equal(["kept"], Names());
        var third = await CaptureAsync(isShared, baseline);

        GoTo("a");
        await PutBackAsync(isShared, third);
        Assert.Equal(["kept"], Names());
    }

    /// <summary>What is still there after it was put back is no removal: none may hit what others have in a folder of that name.</summary>
    [Fact]
    public async Task Capture_WhatWasPutBackIsStillThere_HasNoRemovals()
    {
        GoTo("a");
        var baseline = await ListAsync(isShared: true);
        Directory.CreateDirectory(In("folder"));
        File.WriteAllText(In("folder/below"), "x");
        var first = await CaptureAsync(isShared: true, baseline);

        GoTo("b");
        baseline = await PutBackAsync(isShared: true, first);
        File.Delete(In("folder/below"));
        Directory.CreateDirectory(In("folder/below"));
        var second = await CaptureAsync(isShared: true, baseline);
        using var list = await FileList.LoadAsync(second, CancellationToken.None);
        Assert.DoesNotContain(list.Records(), record => record.Kind == FileRecordKind.Deleted);
        Assert.Equal(3, list.RecordCount);
    }

    /// <summary>A folder that others had, and that is missing here, is not put back: that is no removal of the task's.</summary>
    [Fact]
    public async Task Capture_FileOfAFolderThatIsNotHereWasNotPutBack_HasNoRemoval()
    {
        GoTo("a");
        Directory.CreateDirectory(In("theirs"));
        var baseline = await ListAsync(isShared: true);
        File.WriteAllText(In("theirs/result"), "x");
        var first = await CaptureAsync(isShared: true, baseline);

        GoTo("b");
        baseline = await PutBackAsync(isShared: true, first);
        using var list = await FileList.LoadAsync(await CaptureAsync(isShared: true, baseline), CancellationToken.None);
        Assert.DoesNotContain(list.Records(), record => record.Kind == FileRecordKind.Deleted);
    }

    /// <summary>A second attempt on the same machine has the listing of the first: what that put back is no part of the image.</summary>
    [Fact]
    public async Task PutBack_OlderSnapshotWithTheSameListing_RemovesWhatTheNewerOneBrought()
    {
        GoTo("a");
        var baseline = await ListAsync(isShared: false);
        var older = await CaptureAsync(isShared: false, baseline);
        File.WriteAllText(In("made"), "x");
        var newer = await CaptureAsync(isShared: false, baseline);

        GoTo("b");
        baseline = await PutBackAsync(isShared: false, newer);
        await FilePutBack.RunAsync(Scope(isShared: false), older, new PutBackOptions { Baseline = baseline, Taken = _taken }, CancellationToken.None);
        Assert.Empty(Names());
        await FilePutBack.RunAsync(Scope(isShared: false), newer, new PutBackOptions { Baseline = baseline, Taken = _taken }, CancellationToken.None);
        Assert.Equal(["made"], Names());
    }

    /// <summary>Each machine has a disk of its own at the same place.</summary>
    private void GoTo(string machine)
    {
        if (_machine is not null)
        {
            Directory.Move(_root, _scratch[_machine]);
        }

        _machine = machine;
        if (Directory.Exists(_scratch[machine]))
        {
            Directory.Move(_scratch[machine], _root);
        }
        else
        {
            Directory.CreateDirectory(_root);
        }
    }

    private async Task<FileBaseline> PutBackAsync(bool isShared, MemorySnapshot snapshot)
    {
        var baseline = await ListAsync(isShared);
        await FilePutBack.RunAsync(Scope(isShared), snapshot, new PutBackOptions { Baseline = baseline, Taken = _taken }, CancellationToken.None);
        return baseline;
    }

    private async Task<FileBaseline> ListAsync(bool isShared)
    {
        // Past the tick of the coarse clock.
        await Task.Delay(TimeSpan.FromMilliseconds(12));
        return await FileBaseline.TakeAsync(Scope(isShared), _scratch[$"listing-{_listings++}"], CancellationToken.None);
    }

    private async Task<MemorySnapshot> CaptureAsync(bool isShared, FileBaseline baseline)
    {
        var snapshot = new MemorySnapshot();
        await FileCapture.RunAsync(Scope(isShared), baseline, snapshot, CancellationToken.None);
        _taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(TimeSpan.FromMilliseconds(12));
        return snapshot;
    }

    private FileScope Scope(bool isShared) => FileScope.Create(new FileScopeOptions
    {
        Mode = FileScopeMode.Work,
        WorkingDirectory = _root,
        Include = isShared ? [] : [_root],
        Exclude = ["/tmp", "/dev/shm"],
    });

    private IEnumerable<string> Names() => Directory.EnumerateFileSystemEntries(_root).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);

    private string In(string name) => Path.Combine(_root, name);
}
