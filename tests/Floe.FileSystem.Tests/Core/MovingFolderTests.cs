using Floe.FileSystem.Names;
using Floe.Linux;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>What others do in a folder while it is being renamed.</summary>
public sealed class MovingFolderTests : CoreTests
{
    protected override FileSystemOptions Options => base.Options with { PageEntries = 10 };

    [Fact]
    public async Task Lookup_WhileTheOldKeysAreBeingDeleted_FindsTheFileUnderTheNewName()
    {
        // More than one request deletes.
        for (var i = 0; i < 1500; i++)
        {
            Bucket.Put($"d/{i:0000}", "x");
        }

        var folder = (await Tree.FindAsync("d")).NodeId;
        var handle = await Tree.OpenAsync("d/0000", Tree.ReadOnly);
        Task<Fuse.FuseEntry>? looking = null;
        var deletions = 0;
        Bucket.Before = (call, _) =>
        {
            if (call == "Delete" && ++deletions == 2)
            {
                PassTime();
                looking = Tree.Files.LookupAsync(folder, "0000", default).AsTask();
            }
        };
        await Tree.RenameAsync("d", "e");
        var found = await looking!;
        Assert.Equal(found.NodeId, (await Tree.FindAsync("e/0000")).NodeId);
        Assert.Equal("x", await Tree.ReadAsync(handle));
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_FolderIsRenamedBetweenTwoPages_GivesEveryNameOnce(bool takesEntries)
    {
        var names = Enumerable.Range(0, 45).Select(i => $"f{i:00}").ToList();
        foreach (var name in names)
        {
            Bucket.Put(names.IndexOf(name) % 9 == 0 ? $"d/{name}/below" : $"d/{name}", "x");
        }

        var folder = Tree.Files.OpenFolder((await Tree.FindAsync("d")).NodeId);
        var first = new Tree.ListBuffer(12, takesEntries);
        await Tree.Files.ReadFolderAsync(folder, 0, first, default);
        await Tree.RenameAsync("d", "e");
        var rest = new Tree.ListBuffer(int.MaxValue, takesEntries);
        await Tree.Files.ReadFolderAsync(folder, first.Entries[^1].Next, rest, default);
        Tree.Files.ReleaseFolder(folder);
        Assert.Equal(names, first.Entries.Skip(2).Concat(rest.Entries).Select(e => e.Name));
        Assert.Equal("x", await Tree.ReadAsync($"e/{names[20]}"));
    }

    [Fact]
    public async Task Rename_OthersWriteOverACopiedKeyMeanwhile_LeavesTheirs()
    {
        Bucket.Put("d/1", "ours");
        Bucket.Put("d/2", "two");
        Bucket.Before = (call, key) =>
        {
            if (call == "Put" && key == "e/")
            {
                Bucket.Put("d/1", "theirs");
                Bucket.Put("d/3", "new");
            }
        };
        await Tree.RenameAsync("d", "e");
        Assert.Equal(["d/1", "d/3", "e/", "e/1", "e/2"], Bucket.Keys);
        Assert.Equal("theirs", Bucket.Text("d/1"));
        Assert.Equal("ours", await Tree.ReadAsync("e/1"));
        Assert.Equal("theirs", await Tree.ReadAsync("d/1"));
    }

    [Theory]
    [InlineData("Copy", "e/1")]
    [InlineData("Delete", "d/")]
    public async Task Rename_OntoAnEmptyFolderFails_ThatIsStillThere(string call, string key)
    {
        Bucket.Put("d/", "");
        Bucket.Put("d/1", "one");
        Bucket.Put("e/", "");
        Bucket.Put("e/" + LinkList.Name, "none\n");
        var target = (await Tree.FindAsync("e")).NodeId;
        Bucket.Before = (c, k) =>
        {
            if ((c, k) == (call, key))
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, k);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        Bucket.Before = null;
        Assert.Equal(["d/", "d/1", "e/"], Bucket.Keys);
        Assert.Empty(await Tree.ListAsync("e"));
        Assert.Equal(target, (await Tree.FindAsync("e")).NodeId);
        await Tree.RenameAsync("d", "e");
        Assert.Equal(["e/", "e/1"], Bucket.Keys);
        Assert.Equal("one", await Tree.ReadAsync("e/1"));
        Assert.False(await Tree.ExistsAsync("d"));
    }

    [Fact]
    public async Task Rename_OntoAnEmptyFolderThatSomebodyLooksForMeanwhile_TakesItsPlace()
    {
        Bucket.Put("d/1", "one");
        Bucket.Put("e/", "");
        await Tree.FindAsync("e");
        Bucket.Before = (call, key) =>
        {
            if (call == "Put" && key == "e/")
            {
                Bucket.Before = null;
                PassTime();
                // As the kernel asks anew for a name that it has known for long.
                Task.Run(() => Tree.Files.LookupAsync(1, "e", default).AsTask()).GetAwaiter().GetResult();
            }
        };
        await Tree.RenameAsync("d", "e");
        Assert.Equal(["e/", "e/1"], Bucket.Keys);
        Assert.Equal("one", await Tree.ReadAsync("e/1"));
    }

    [Fact]
    public async Task Rename_FailsWhenOthersHaveWrittenUnderTheNewName_LeavesTheirs()
    {
        Bucket.Put("d/1", "one");
        Bucket.Put("d/2", "two");
        Bucket.Before = (call, key) =>
        {
            if (call == "Put" && key == "e/")
            {
                Bucket.Put("e/1", "theirs");
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        Assert.Equal(["d/1", "d/2", "e/1"], Bucket.Keys);
        Assert.Equal("theirs", Bucket.Text("e/1"));
        Assert.Equal("one", await Tree.ReadAsync("d/1"));
    }
}
