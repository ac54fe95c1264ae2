using System.Text;
using Floe.Linux;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Removals and renames that the bucket refuses: the file goes on as if nobody had tried.</summary>
public sealed class FailedRemovalTests : CoreTests
{
    [Fact]
    public async Task Unlink_DeletionRefused_OpenFileGoesOnToItsObject()
    {
        Bucket.Put("f", "old!");
        var handle = await Tree.OpenAsync("f", Tree.ReadWrite);
        await WriteAsync(handle, "new");
        Refuse("Delete", "f");
        await FailsAsync(Errno.EACCES, () => Tree.UnlinkAsync("f"));
        await GoesOnAsync(handle, "NEW", "f");
    }

    [Fact]
    public async Task Unlink_DeletionRefused_ClosedFileThatIsNotUploadedIsUploadedYet()
    {
        Bucket.Put("f", "old");
        Bucket.Before = (call, key) =>
        {
            // However often it is tried.
            if (call == "Put")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await Tree.WriteAsync("f", "text");
        Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
        Refuse("Delete", "f");
        await FailsAsync(Errno.EACCES, () => Tree.UnlinkAsync("f"));
        Assert.Equal("text", await Tree.ReadAsync("f"));
        await Tree.DrainAsync();
        Assert.Equal("text", Bucket.Text("f"));
    }

    [Fact]
    public async Task Unlink_AnswerToTheDeletionLost_IsRemoved()
    {
        Bucket.Put("f", "text");
        var handle = await Tree.OpenAsync("f", Tree.ReadOnly);
        LoseAnswer("f");
        await Tree.UnlinkAsync("f");
        Assert.False(await Tree.ExistsAsync("f"));
        Assert.Equal("text", await Tree.ReadAsync(handle));
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Unlink_FileThatIsGoingUp_StopsAndIsNeverAnObject(bool hasReader)
    {
        using var mayGoOn = new ManualResetEventSlim();
        var isSending = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly);
        var megabyte = new byte[1 << 20];
        for (var i = 0; i < 17; i++)
        {
            await Tree.Files.WriteAsync(handle, (long)i << 20, megabyte, killsPrivileges: false, default);
        }

        Bucket.Before = (call, _) =>
        {
            if (call is "UploadPart" or "CreateUpload")
            {
                isSending.TrySetResult();
                mayGoOn.Wait();
            }
        };
        var reader = hasReader ? await Tree.OpenAsync("f", Tree.ReadOnly) : 0;
        Tree.Files.Release(handle);
        await isSending.Task;
        var removal = Tree.UnlinkAsync("f");
        mayGoOn.Set();
        await removal;
        await Tree.DrainAsync();
        if (hasReader)
        {
            Assert.Equal(1 << 20, await Tree.ReadAsync(reader, megabyte));
            Tree.Files.Release(reader);
        }

        Assert.DoesNotContain(Bucket.Calls, c => c is "CompleteUpload f" or "Put f");
        Assert.Empty(Bucket.Keys);
        Assert.Equal(0, Bucket.OpenUploads);
    }

    [Fact]
    public async Task Rename_DeletionRefused_LeavesTheFileWhereItWas()
    {
        Bucket.Put("a", "text");
        var handle = await Tree.OpenAsync("a", Tree.ReadWrite);
        await WriteAsync(handle, "TE");
        Refuse("Delete", "a");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("a", "b"));
        Assert.Equal(["a"], Bucket.Keys);
        Assert.False(await Tree.ExistsAsync("b"));
        await GoesOnAsync(handle, "TEX", "a");
        await Tree.RenameAsync("a", "b");
        Assert.Equal("TEXt", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_CopyRefused_LeavesWhatItWouldHaveReplaced()
    {
        Bucket.Put("a", "new");
        Bucket.Put("b", "old!");
        var handle = await Tree.OpenAsync("b", Tree.ReadWrite);
        Refuse("Copy", "b");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("a", "b"));
        await GoesOnAsync(handle, "OLD", "b");
    }

    [Fact]
    public async Task Rename_DeletionRefusedOverAnother_ItsReadersKeepItAndTheOldNameStays()
    {
        Bucket.Put("a", "new");
        Bucket.Put("b", "old");
        var handle = await Tree.OpenAsync("b", Tree.ReadOnly);
        Refuse("Delete", "a");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("a", "b"));
        Assert.Equal("old", await Tree.ReadAsync(handle));
        Assert.Equal("new", await Tree.ReadAsync("a"));
        Assert.Equal("new", await Tree.ReadAsync("b"));
        Tree.Files.Release(handle);
    }

    [Fact]
    public async Task Rename_DeletionOfWhatANewFileHadReplacedRefused_LeavesTheFileWhereItWas()
    {
        Bucket.Put("b", "old");
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        await Tree.RenameAsync("a", "b");
        Refuse("Delete", "b");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("b", "c"));
        await GoesOnAsync(handle, "new", "b");
        Assert.Equal(["b"], Bucket.Keys);
    }

    [Fact]
    public async Task RenameFolder_DeletionRefused_ChangesNothing()
    {
        Bucket.Put("d/1", "one");
        Bucket.Put("d/2", "two");
        var handle = await Tree.OpenAsync("d/2", Tree.ReadWrite);
        Refuse("Delete", "d/1");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        Assert.Equal(["d/1", "d/2"], Bucket.Keys);
        await GoesOnAsync(handle, "TWO", "d/2");
    }

    [Fact]
    public async Task RenameFolder_MarkerRefused_ChangesNothing()
    {
        Bucket.Put("d/1", "one");
        var handle = await Tree.OpenAsync("d/1", Tree.ReadWrite);
        Refuse("Put", "e/");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        await GoesOnAsync(handle, "ONE", "d/1");
        Assert.Equal(["d/1"], Bucket.Keys);
    }

    [Fact]
    public async Task RenameFolder_SomeDeletionsRefused_AllIsUnderTheNewNameAndTheRestUnderTheOldToo()
    {
        Bucket.Put("d/1", "one");
        Bucket.Put("d/2", "two");
        var handle = await Tree.OpenAsync("d/1", Tree.ReadWrite);
        Refuse("Delete", "d/2");
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        Assert.Equal(["d/2", "e/", "e/1", "e/2"], Bucket.Keys);
        await GoesOnAsync(handle, "ONE", "e/1");
        Assert.Equal([("2", File)], await Tree.ListAsync("d"));
        Assert.Equal("two", await Tree.ReadAsync("e/2"));
    }

    /// <summary>Three bytes at the start of an open file come to its object, and it is closed.</summary>
    private async Task GoesOnAsync(ulong handle, string text, string key)
    {
        await WriteAsync(handle, text);
        await Tree.Files.SyncAsync(handle, default, default);
        Assert.StartsWith(text, Bucket.Text(key), StringComparison.Ordinal);
        Tree.Files.Release(handle);
    }

    private Task WriteAsync(ulong handle, string text) =>
        Tree.Files.WriteAsync(handle, 0, Encoding.UTF8.GetBytes(text), killsPrivileges: false, default).AsTask();

    /// <summary>The next such call fails, and none after it.</summary>
    private void Refuse(string call, string key) => Bucket.Before = (c, k) =>
    {
        if ((c, k) == (call, key))
        {
            Bucket.Before = null;
            throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, k);
        }
    };

    private void LoseAnswer(string key) => Bucket.Before = (c, k) =>
    {
        if ((c, k) == ("Delete", key))
        {
            Bucket.Before = null;
            Bucket.Remove(k);
            throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, k);
        }
    };
}
