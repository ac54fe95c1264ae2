using Floe.Agent;
using Floe.Agent.Files;
using Floe.Agent.Mounts;
using Floe.Agent.Run;
using Floe.FileSystem;
using Floe.FileSystem.Content;
using Floe.S3;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Agent;

/// <summary>Folders that are named for Floe's own files may be those that the task works in: only what Floe makes there is Floe's.</summary>
public sealed class FileScopesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("bin/floe", false)]
    [InlineData("bin/fusion", false)]
    [InlineData("lib/floe/criu/bin/criu", false)]
    [InlineData("share/floe/packages.txt", false)]
    [InlineData("bin", true)]
    [InlineData("bin/python3", true)]
    [InlineData("lib/python3.12/site-packages/new/module.py", true)]
    [InlineData("lib/floe2", true)]
    public void For_BundleInAPrefixOfOthers_LeavesOutItsPartsOnly(string path, bool isTheTasks) => AssertScope("usr-local", path, isTheTasks);

    [Theory]
    [InlineData("0123456789abcdef/control.sock", false)]
    [InlineData("fedcba9876543210", false)]
    [InlineData("fedcba987654321", true)]
    [InlineData("FEDCBA9876543210", true)]
    [InlineData("sorted.part", true)]
    [InlineData("folder/0123456789abcdef", true)]
    public void For_StateInAFolderOfOthers_LeavesOutAgentsFoldersOnly(string path, bool isTheTasks) => AssertScope("state", path, isTheTasks);

    [Theory]
    [InlineData("mount-0123abcd-0123456789abcdef/0123456789abcdef-1.blocks", false)]
    [InlineData("kept/0123456789abcdef-1-bucket_key", false)]
    [InlineData("mount-point", true)]
    [InlineData("reads.bam", true)]
    public void For_MountCacheInAFolderOfOthers_LeavesOutItsFoldersOnly(string path, bool isTheTasks) => AssertScope("cache", path, isTheTasks);

    [Theory]
    [InlineData(".floe/tmp/1", false)]
    [InlineData("floe.json", false)]
    [InlineData("tasks/task/lease.json", false)]
    [InlineData("result.txt", true)]
    [InlineData("results/floe.json", true)]
    public void For_StoreInTheWorkingDirectory_LeavesOutItsFilesOnly(string path, bool isTheTasks) => AssertScope("work", path, isTheTasks);

    [Fact]
    public void For_StoreOfOneTask_LeavesOutAllOfIt()
    {
        var scope = Scope(FileScopeMode.Root, ownsStore: true);
        Assert.False(scope.Contains(KernelPath.FromText(_scratch["work"] + "/attempt-1.log"), out _, out _));
    }

    private void AssertScope(string folder, string path, bool isTheTasks)
    {
        foreach (var mode in (FileScopeMode[])[FileScopeMode.Root, FileScopeMode.Work])
        {
            Assert.Equal(isTheTasks, Scope(mode, ownsStore: false).Contains(KernelPath.FromText($"{_scratch[folder]}/{path}"), out _, out _));
        }
    }

    private ScopeTree Scope(FileScopeMode mode, bool ownsStore)
    {
        var bundle = _scratch.Folder("usr-local");
        Directory.CreateDirectory(Path.Combine(bundle, "bin"));
        Directory.CreateDirectory(Path.Combine(bundle, "lib/floe"));
        File.WriteAllText(Path.Combine(bundle, "lib/floe/tini"), "");
        File.WriteAllText(Path.Combine(bundle, "bin/floe"), "");
        if (!Path.Exists(Path.Combine(bundle, "bin/fusion")))
        {
            File.CreateSymbolicLink(Path.Combine(bundle, "bin/fusion"), "floe");
        }

        var work = _scratch.Folder("work");
        return FileScopes.For(
            new RunOptions
            {
                Store = StoreUrl.TryParse(work, out _)!,
                Key = "task",
                Command = [],
                WorkingDirectory = work,
                Files = mode,
                StateDirectory = _scratch.Folder("state"),
                OwnsStore = ownsStore,
                Include = [_scratch.Path],
                Mount = new MountRequest(_scratch.Folder("mounted"), new FileSystemOptions(), new ContentStoreOptions { CacheFolder = _scratch.Folder("cache") }),
            },
            Bundle.At(bundle)).Resolve();
    }
}
