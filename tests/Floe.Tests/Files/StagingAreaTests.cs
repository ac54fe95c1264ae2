using System.Text;
using Floe.Agent.Files;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

public sealed class StagingAreaTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _root;
    private readonly byte[] _path;

    public StagingAreaTests()
    {
        _root = _scratch.Folder("root");
        _path = Encoding.UTF8.GetBytes(_root.Trim('/') + "/file");
    }

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void DirectoryFor_TwoTasksInOneRoot_NeitherRemovesTheOthers()
    {
        var tree = Tree();
        var first = new StagingArea(tree, "a");
        first.DirectoryFor(_path);
        File.WriteAllText(Path.Combine(_root, ".floe-putback/a/0"), "staged");
        var second = new StagingArea(tree, "b");
        second.DirectoryFor(_path);
        second.Finish();
        second.Dispose();
        Assert.Equal("staged", File.ReadAllText(Path.Combine(_root, ".floe-putback/a/0")));
        first.Dispose();
        Assert.Empty(Directory.GetFileSystemEntries(_root));
    }

    [Fact]
    public void DirectoryFor_LeftByAKilledAttempt_IsEmpty()
    {
        Directory.CreateDirectory(Path.Combine(_root, ".floe-putback"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateDirectory(Path.Combine(_root, ".floe-putback/a"));
        File.WriteAllText(Path.Combine(_root, ".floe-putback/a/7"), "old");
        using var area = new StagingArea(Tree(), "a");
        area.DirectoryFor(_path);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_root, ".floe-putback/a")));
    }

    [Fact]
    public void DirectoryFor_LinkOrOpenFolderOfSomebodyElse_IsReplaced()
    {
        var elsewhere = _scratch.Folder("elsewhere");
        File.CreateSymbolicLink(Path.Combine(_root, ".floe-putback"), elsewhere);
        using (var area = new StagingArea(Tree(), "a"))
        {
            area.DirectoryFor(_path);
            Assert.Empty(Directory.GetFileSystemEntries(elsewhere));
            Assert.Null(File.ResolveLinkTarget(Path.Combine(_root, ".floe-putback"), returnFinalTarget: false));
        }

        var open = Directory.CreateDirectory(Path.Combine(_root, ".floe-putback"));
        File.SetUnixFileMode(open.FullName, (UnixFileMode)0x1FF);
        using var second = new StagingArea(Tree(), "a");
        second.DirectoryFor(_path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(open.FullName));
    }

    [Fact]
    public async Task DirectoryFor_ManyTasksComeAndGo_AllFindTheirs()
    {
        var tree = Tree();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(task => Task.Run(() =>
        {
            for (var i = 0; i < 200; i++)
            {
                using var area = new StagingArea(tree, $"task{task}");
                area.DirectoryFor(_path);
                Assert.True(Directory.Exists(Path.Combine(_root, $".floe-putback/task{task}")));
            }
        })));
        Assert.Empty(Directory.GetFileSystemEntries(_root));
    }

    private ScopeTree Tree() => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [_root] }).Resolve();
}
