using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>Others change a folder while it is walked. Takes no time.</summary>
public sealed class TreeWalkerTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public TreeWalkerTests()
    {
        _scratch.Folder("a/below");
        _scratch.Folder("b");
    }

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void MoveNext_FolderBecameAFileInASharedFolder_GoesOnBehindIt()
    {
        using var walker = AtFirstFolder(isShared: true);
        File.WriteAllText(_scratch["a"], "");
        Assert.Equal(["b"], Rest(walker));
    }

    [Fact]
    public void MoveNext_FolderBecameALinkInASharedFolder_GoesOnBehindIt()
    {
        using var walker = AtFirstFolder(isShared: true);
        File.CreateSymbolicLink(_scratch["a"], "/etc");
        Assert.Equal(["b"], Rest(walker));
    }

    /// <summary>The task stands still and nobody else writes there: it is not understood, and must not be passed over.</summary>
    [Fact]
    public void MoveNext_FolderBecameAFileInAFolderOfTheTaskAlone_Throws()
    {
        using var walker = AtFirstFolder(isShared: false);
        File.WriteAllText(_scratch["a"], "");
        Assert.Throws<FileStateException>(() => Rest(walker));
    }

    [Theory]
    [InlineData(Errno.ENOENT, true, true)]
    [InlineData(Errno.ESTALE, true, true)]
    [InlineData(Errno.ESTALE, false, false)]
    [InlineData(Errno.EMFILE, true, false)]
    [InlineData(Errno.EIO, true, false)]
    [InlineData(Errno.EACCES, true, false)]
    public void IsGone_EntryOfAFolder_OnlyWhatSaysSoAndOnlyWhereOthersWrite(int errno, bool isShared, bool isGone)
    {
        using var walker = AtFirstFolder(isShared);
        Assert.Equal(isGone, walker.IsGone(errno));
    }

    /// <summary>A server that lost its handles says so of everything.</summary>
    [Fact]
    public void IsGone_StaleRoot_IsAFailure()
    {
        using var walker = new TreeWalker(Tree(isShared: true));
        Assert.True(walker.MoveNext());
        Assert.False(walker.IsGone(Errno.ESTALE));
    }

    private TreeWalker AtFirstFolder(bool isShared)
    {
        var walker = new TreeWalker(Tree(isShared));
        Assert.True(walker.MoveNext());
        Assert.True(walker.MoveNext());
        Assert.Equal(_scratch["a"], KernelPath.Display(walker.Path));
        Directory.Move(_scratch["a"], _scratch["moved"]);
        return walker;
    }

    private static List<string> Rest(TreeWalker walker)
    {
        var names = new List<string>();
        while (walker.MoveNext())
        {
            names.Add(Path.GetFileName(KernelPath.Display(walker.Path)));
        }

        return names;
    }

    private ScopeTree Tree(bool isShared)
    {
        var root = KernelPath.FromText(_scratch.Path);
        var tree = new ScopeTree();
        tree.MarkRoot(root);
        if (isShared)
        {
            tree.MarkShared(root, isPublic: false);
        }

        tree.Top.ComputeRootsBelow();
        return tree;
    }
}
