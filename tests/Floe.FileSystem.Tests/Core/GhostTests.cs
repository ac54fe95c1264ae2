using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>What CRIU does to restore unlinked files that were open: see Operations/ObjectFileSystem.Ghosts.cs.</summary>
public sealed class GhostTests : CoreTests
{
    [Fact]
    public async Task LinkGhost_OpenedUnderItsOldNameAndRemoved_IsReadAndNeverInTheBucket()
    {
        Tree.Files.IsBeingRestored = true;
        await Tree.MakeFolderAsync("d");
        await Tree.WriteAsync("d/f.cr.1a.ghost", "unlinked");
        List<ulong> handles = [];
        for (var i = 0; i < 2; i++)
        {
            // Two files that the task had opened one by one.
            await LinkAsync("d/f.cr.1a.ghost", "f");
            handles.Add(await Tree.OpenAsync("d/f", Tree.ReadWrite));
            await Tree.UnlinkAsync("d/f");
        }

        await Tree.UnlinkAsync("d/f.cr.1a.ghost");
        await Tree.Files.WriteAsync(handles[0], 8, "!"u8.ToArray(), killsPrivileges: false, default);
        Assert.Equal("unlinked!", await Tree.ReadAsync(handles[0]));
        Assert.Equal("unlinked!", await Tree.ReadAsync(handles[1]));
        handles.ForEach(Tree.Files.Release);
        await Tree.DrainAsync();
        Assert.Equal(["d/"], Bucket.Keys);
        Assert.Equal([], await Tree.ListAsync("d"));
    }

    [Fact]
    public async Task LinkGhost_AnyOtherFile_IsRefused()
    {
        Tree.Files.IsBeingRestored = true;
        await Tree.MakeFolderAsync("d");
        Bucket.Put("d/f", "text");
        await Tree.WriteAsync("d/new", "text");
        await FailsAsync(Errno.EOPNOTSUPP, () => LinkAsync("d/f", "g"));
        await FailsAsync(Errno.EOPNOTSUPP, () => LinkAsync("d/new", "g"));
    }

    [Fact]
    public async Task LinkGhost_NameIsTaken_Exists()
    {
        Tree.Files.IsBeingRestored = true;
        await Tree.MakeFolderAsync("d");
        await Tree.WriteAsync("d/f", "text");
        await Tree.WriteAsync("d/f.cr.1.ghost", "unlinked");
        await FailsAsync(Errno.EEXIST, () => LinkAsync("d/f.cr.1.ghost", "f"));
    }

    [Fact]
    public async Task Create_NameOfAGhostWhileNothingIsRestored_IsAFileAsAnyOther()
    {
        Tree.Files.IsBeingRestored = false;
        await Tree.WriteAsync("f.cr.1a.ghost", "text");
        await Tree.DrainAsync();
        Assert.Equal("text", Bucket.Text("f.cr.1a.ghost"));
    }

    /// <param name="name">In the folder "d".</param>
    private async Task LinkAsync(string path, string name)
    {
        var (node, folder) = (await Tree.FindAsync(path), await Tree.FindAsync("d"));
        try
        {
            Tree.Files.Forget((await Tree.Files.LinkGhostAsync(node.NodeId, folder.NodeId, name, default)).NodeId, 1);
        }
        finally
        {
            Tree.Files.Forget(node.NodeId, 1);
            Tree.Files.Forget(folder.NodeId, 1);
        }
    }
}
