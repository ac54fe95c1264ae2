using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>Folders in folders, until the path is longer than a list can hold (KernelPath.MaxPathBytes). Takes no time.</summary>
public sealed class LongPathTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _root;

    public LongPathTests() => _root = _scratch.Folder("root");

    public void Dispose()
    {
        // Deeper than paths can name.
        TreeRemoval.Remove(Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(_root)), [], null);
        _scratch.Dispose();
    }

    [Fact]
    public async Task Capture_TheTaskMadeATooLongPath_FailsWithAShortLine()
    {
        var scope = Scope(FileScopeMode.Included);
        var baseline = await ListAsync(scope);
        MakeDeep();
        var e = await Assert.ThrowsAsync<FileStateException>(() => FileCapture.RunAsync(scope, baseline, new MemorySnapshot(), CancellationToken.None));
        Assert.Contains("64 KiB", e.Message, StringComparison.Ordinal);
        Assert.InRange(e.Message.Length, 1, 500);
    }

    [Fact]
    public async Task Capture_TooLongPathInEverybodysFolder_IsPassedOver()
    {
        var scope = Scope(FileScopeMode.Work);
        MakeDeep();
        var baseline = await ListAsync(scope);
        await File.WriteAllTextAsync(Path.Combine(_root, "zz"), "x", TestContext.Current.CancellationToken);
        var snapshot = new MemorySnapshot();
        await FileCapture.RunAsync(scope, FileBaseline.Open(baseline.StateFilePath), snapshot, CancellationToken.None);
        using var list = await FileList.LoadAsync(snapshot, CancellationToken.None);
        Assert.Equal([_root, Path.Combine(_root, "zz")], list.Records().Select(record => KernelPath.Display(record.Path)));
    }

    /// <summary>It says nothing about the snapshots, which are good.</summary>
    [Fact]
    public async Task Open_ListingOfThisMachineIsCutShort_IsNoDamageOfASnapshot()
    {
        var baseline = await ListAsync(Scope(FileScopeMode.Included));
        using (var file = File.OpenWrite(baseline.StateFilePath))
        {
            file.SetLength(file.Length - 1);
        }

        Assert.False(Assert.Throws<FileStateException>(() => FileBaseline.Open(baseline.StateFilePath)).IsDamage);
    }

    private void MakeDeep()
    {
        var name = NativeName.Terminated(Encoding.ASCII.GetBytes(new string('d', KernelPath.MaxNameBytes)));
        var directory = DirectoryPath.Open(KernelPath.FromText(_root), create: false);
        for (var length = 0; length <= KernelPath.MaxPathBytes; length += KernelPath.MaxNameBytes + 1)
        {
            Assert.Equal(0, NativeName.MakeDirectory(directory, name, 0x1C0));
            var next = NativeName.Open(directory, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
            _ = Interop.close(directory);
            directory = next;
        }

        _ = Interop.close(directory);
    }

    private async Task<FileBaseline> ListAsync(FileScope scope)
    {
        // Past the tick of the coarse clock.
        await Task.Delay(12);
        return await FileBaseline.TakeAsync(scope, _scratch["listing"], CancellationToken.None);
    }

    private FileScope Scope(FileScopeMode mode) => FileScope.Create(new FileScopeOptions { Mode = mode, Include = mode == FileScopeMode.Included ? [_root] : [], PublicPaths = [_root] });
}
