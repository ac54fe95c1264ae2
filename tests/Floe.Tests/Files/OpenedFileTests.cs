using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A file that another machine removes while it is read: the kernel says ESTALE then, as it does when a server has lost all that it knew.</summary>
public sealed class OpenedFileTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(Errno.ESTALE, true, true)]
    [InlineData(Errno.ESTALE, false, false)]
    [InlineData(Errno.EIO, true, false)]
    public void IsGone_NameLeadsNowhere_OnlyOnWhatSaysSoAndOnlyWhereOthersWrite(int errno, bool isShared, bool isGone)
    {
        var file = Open(isShared);
        Directory.Delete(_scratch["folder"], recursive: true);
        Assert.Equal(isGone, file.IsGone(errno));
        file.Release();
    }

    [Fact]
    public void IsGone_NameIsAnotherFiles_IsSo()
    {
        var file = Open(isShared: true);
        File.WriteAllText(_scratch["folder/other"], "another");
        File.Move(_scratch["folder/other"], _scratch["folder/file"], overwrite: true);
        Assert.True(file.IsGone(Errno.ESTALE));
        file.Release();
    }

    [Fact]
    public void IsGone_FileIsStillThere_IsNot()
    {
        var file = Open(isShared: true);
        Assert.False(file.IsGone(Errno.ESTALE));
        Assert.False(file.HasChanged());
        file.Release();
    }

    private OpenedFile Open(bool isShared)
    {
        _scratch.Folder("folder");
        File.WriteAllText(_scratch["folder/file"], "content");
        var path = KernelPath.FromText(_scratch["folder/file"]);
        var name = NativeName.Terminated(KernelPath.Name(path));
        var directory = DirectoryPath.Open(KernelPath.FromText(_scratch["folder"]), create: false);
        try
        {
            Assert.Equal(0, NativeName.Stat(directory, name, out var stat));
            return OpenedFile.Open(directory, name, path, stat, users: 1, isShared);
        }
        finally
        {
            _ = Interop.close(directory);
        }
    }
}
