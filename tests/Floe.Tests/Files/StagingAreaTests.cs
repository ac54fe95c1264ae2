using System.Runtime.InteropServices;
using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

public sealed partial class StagingAreaTests : IDisposable
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

    /// <summary>A file that another program has open on NFS stays as .nfs…, and the folder with it.</summary>
    [Fact]
    public async Task Finish_WhatWasSetAsideCannotBeRemoved_IsLeftAndNamedAndTheNextAttemptHasAnotherPlace()
    {
        using (var area = new StagingArea(Tree(), "a"))
        {
            area.DirectoryFor(_path);
            await File.WriteAllTextAsync(In("a/was-0"), "stays", TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(In("a/was-1"), "goes", TestContext.Current.CancellationToken);
            Assert.SkipUnless(await ChangeAttributeAsync("+i", In("a/was-0")), "this file system has no files that cannot be removed");
            try
            {
                area.Finish();
                Assert.Equal([In("a/was-0")], Directory.EnumerateFileSystemEntries(In("a")));
                Assert.Equal([In("a")], area.LeftBehind);

                using var next = new StagingArea(Tree(), "a");
                next.DirectoryFor(_path);
                Assert.Equal(2, Directory.GetDirectories(In("")).Length);
                next.Finish();
                Assert.Single(Directory.GetDirectories(In("")));
            }
            finally
            {
                await ChangeAttributeAsync("-i", In("a/was-0"));
            }
        }

        Assert.Empty(Directory.GetFileSystemEntries(_root));
    }

    /// <summary>A server that takes root for nobody gives nobody what root makes.</summary>
    [Fact]
    public void DirectoryFor_FolderIsOfWhomTheServerTakesUsFor_IsUsed()
    {
        Assert.SkipUnless(Interop.geteuid() == 0, "only root can make files as somebody else");
        File.SetUnixFileMode(_scratch.Path, (UnixFileMode)0x1ED);
        Assert.Equal(0, NativeName.ChangeOwner(Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(_root)), 65534, 65534));
        var tree = Tree();
        using var area = new StagingArea(tree, "a");
        using var other = new StagingArea(tree, "b");
        _ = setfsuid(65534);
        try
        {
            area.DirectoryFor(_path);
            other.DirectoryFor(_path);
            area.Finish();
            other.Finish();
        }
        finally
        {
            _ = setfsuid(0);
        }

        Assert.Empty(Directory.GetFileSystemEntries(_root));
    }

    /// <summary>By then CRIU is about to let the task run: what cannot be set is named, and no reason to end it.</summary>
    [Fact]
    public void Finish_ServerTakesRootForNobody_NamesTheRootAndDoesNotFail()
    {
        Assert.SkipUnless(Interop.geteuid() == 0, "only root can make files as somebody else");
        using var area = new StagingArea(Tree(), "a");
        area.DirectoryFor(_path);
        _ = setfsuid(65534);
        try
        {
            area.Finish();
        }
        finally
        {
            _ = setfsuid(0);
        }

        Assert.Contains(_root, Assert.Single(area.NotAsRecorded), StringComparison.Ordinal);
    }

    [Fact]
    public void DirectoryFor_OtherNamesOfTheTaskAreLeft_AreRemovedAndNobodyElses()
    {
        Directory.CreateDirectory(In(""), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string[] others = ["a-", "a-1b", "ab", "b-1"];
        foreach (var name in (string[])["a", "a-1", "a-37", .. others])
        {
            Directory.CreateDirectory(In(name));
            File.WriteAllText(In($"{name}/was-0"), "old");
        }

        using var area = new StagingArea(Tree(), "a");
        area.DirectoryFor(_path);
        Assert.Equal([In("a"), .. others.Select(In)], Directory.GetDirectories(In("")).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.GetFileSystemEntries(In("a")));
    }

    private static async Task<bool> ChangeAttributeAsync(string change, string path)
    {
        List<byte[]> words = [.. ((string[])["chattr", change, path]).Select(Encoding.UTF8.GetBytes)];
        return File.Exists("/usr/bin/chattr")
            && (await ChildProcess.Start(new ChildProcessOptions { Path = "/usr/bin/chattr"u8.ToArray(), Arguments = words }).Exited).Success;
    }

    private string In(string name) => Path.Combine(_root, ".floe-putback", name);

    [LibraryImport("libc")]
    private static partial int setfsuid(uint uid);

    private ScopeTree Tree() => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [_root] }).Resolve();
}
