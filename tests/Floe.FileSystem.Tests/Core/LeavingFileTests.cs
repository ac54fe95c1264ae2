using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Files that are opened, or asked for, while they are being removed or replaced.</summary>
public sealed class LeavingFileTests : CoreTests
{
    [Theory]
    [InlineData("Copy", true)]
    [InlineData("Copy", false)]
    [InlineData("Delete", true)]
    [InlineData("Delete", false)]
    public async Task Open_FileThatIsBeingReplaced_IsTheNewOne(string during, bool isUploaded)
    {
        Bucket.Put("new", "new");
        await PrepareAsync("f", isUploaded);
        var opening = OpenDuring(during, "f", Tree.ReadOnly);
        await Tree.RenameAsync("new", "f");
        var handle = await await opening;
        Assert.Equal("new", await Tree.ReadAsync(handle));
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Open_FileThatIsBeingRemoved_IsNotThere(bool isUploaded)
    {
        await PrepareAsync("f", isUploaded);
        var opening = OpenDuring("Delete", "f", Tree.ReadWrite);
        await Tree.UnlinkAsync("f");
        await FailsAsync(Errno.ENOENT, async () => await await opening);
        Bucket.Before = null;
        await Tree.DrainAsync();
        Assert.DoesNotContain("f", Bucket.Keys);
    }

    [Fact]
    public async Task Open_FileWhoseRemovalFails_IsWhatItWas()
    {
        await PrepareAsync("f", isUploaded: false);
        Task<ulong>? opening = null;
        Bucket.Before = (call, key) =>
        {
            if (call == "Delete")
            {
                Bucket.Before = null;
                opening = Tree.OpenAsync("f", Tree.ReadOnly);
                throw new Floe.S3.ObjectStoreException(Floe.S3.ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.UnlinkAsync("f"));
        var handle = await opening!;
        Assert.Equal("old", await Tree.ReadAsync(handle));
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Open_ByTheNumberOfAFileThatWasRemovedSinceItWasLookedUp_IsStale(bool isUploaded)
    {
        const int ESTALE = 116;
        await PrepareAsync("f", isUploaded);
        var entry = await Tree.FindAsync("f");
        await Tree.UnlinkAsync("f");
        await FailsAsync(ESTALE, () => Tree.Files.OpenAsync(entry.NodeId, Tree.ReadOnly, default).AsTask());
        Tree.Files.Forget(entry.NodeId, 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Lookup_NameThatIsBeingReplaced_LeavesTheRenamedFile(bool isThere)
    {
        Bucket.Put("new", "new");
        if (isThere)
        {
            Bucket.Put("f", "old");
        }

        var held = await Tree.TryFindAsync("f");
        var found = false;
        Bucket.Before = (call, key) =>
        {
            if ((call, key) == ("Delete", "new"))
            {
                Bucket.Before = null;
                PassTime();
                found = Tree.ExistsAsync("f").GetAwaiter().GetResult();
            }
        };
        await Tree.RenameAsync("new", "f");
        Assert.Equal(isThere, found);
        Assert.Equal("new", await Tree.ReadAsync("f"));
        if (held is { } entry)
        {
            Tree.Files.Forget(entry.NodeId, 1);
        }
    }

    /// <summary>A closed file; not uploaded: only the cache has its bytes, and its upload fails for now.</summary>
    private async Task PrepareAsync(string name, bool isUploaded)
    {
        Bucket.Put(name, "old");
        if (isUploaded)
        {
            return;
        }

        Bucket.Before = (call, key) =>
        {
            if (call == "Put")
            {
                throw new Floe.S3.ObjectStoreException(Floe.S3.ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await Tree.WriteAsync(name, "old");
        Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
    }

    /// <summary>Opens the file once such a call of the bucket is under way; gives the opening.</summary>
    private Task<Task<ulong>> OpenDuring(string during, string name, uint flags)
    {
        var opening = new TaskCompletionSource<Task<ulong>>(TaskCreationOptions.RunContinuationsAsynchronously);
        Bucket.Before = (call, _) =>
        {
            if (call == during)
            {
                Bucket.Before = null;
                opening.SetResult(Tree.OpenAsync(name, flags));
            }
        };
        return opening.Task;
    }
}
