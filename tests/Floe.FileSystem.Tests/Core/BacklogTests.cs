using Floe.Linux;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Changes of names of files that wait for their turn to go up: nobody else may make or look up a name of the folder meanwhile.</summary>
public sealed class BacklogTests : CoreTests
{
    private const int Slots = 32;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Rename_FileWaitsForUploadMemory_IsDoneAtOnce()
    {
        await FillAsync();
        await WriteQueuedAsync("a", "text");
        await Tree.RenameAsync("a", "b").WaitAsync(s_patience, Token);
        Assert.Empty(Bucket.Keys);
        Free();
        await Tree.DrainAsync();
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("text", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_FileThatIsSyncedWaitsForUploadMemory_GoesUpUnderItsNewName()
    {
        await FillAsync();
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        var syncing = Tree.Files.SyncAsync(handle, default, Token).AsTask();
        await Task.Delay(20, Token);
        await Tree.RenameAsync("a", "b").WaitAsync(s_patience, Token);
        Assert.False(syncing.IsCompleted);
        Free();
        await syncing;
        Assert.Equal(["b"], Bucket.Keys);
        Tree.Files.Release(handle);
    }

    [Fact]
    public async Task Unlink_FileWaitsForUploadMemory_IsDoneAtOnceAndNeverGoesUp()
    {
        await FillAsync();
        await WriteQueuedAsync("a", "text");
        await Tree.UnlinkAsync("a").WaitAsync(s_patience, Token);
        Free();
        await Tree.DrainAsync();
        Assert.DoesNotContain("Put a", Bucket.Calls);
    }

    [Fact]
    public async Task Sync_RemovalIsRefusedWhileItWaits_ReturnsWithTheObject()
    {
        await FillAsync();
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        var syncing = Tree.Files.SyncAsync(handle, default, Token).AsTask();
        await Task.Delay(20, Token);
        Bucket.Before = (call, key) =>
        {
            if (call == "Delete")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }

            if (call == "Head")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.UnlinkAsync("a").WaitAsync(s_patience, Token));
        Bucket.Before = null;
        Free();
        await syncing;
        Assert.Equal(["a"], Bucket.Keys);
        Tree.Files.Release(handle);
    }

    [Fact]
    public async Task Rename_FileWaitsWhileUploadsStandStill_IsDoneAtOnce()
    {
        await Tree.Contents.PauseAsync(Token);
        await WriteQueuedAsync("a", "text");
        await Tree.RenameAsync("a", "b").WaitAsync(s_patience, Token);
        Tree.Contents.Resume();
        await Tree.DrainAsync();
        Assert.Equal(["b"], Bucket.Keys);
    }

    private async Task WriteQueuedAsync(string path, string text)
    {
        await Tree.WriteAsync(path, text);
        // Time for its publication to come to its wait.
        await Task.Delay(20, Token);
    }

    private async Task FillAsync()
    {
        for (var i = 0; i < Slots; i++)
        {
            Assert.False(await Tree.Contents.EnterSmallAsync(1, Token));
        }
    }

    private void Free()
    {
        for (var i = 0; i < Slots; i++)
        {
            Tree.Contents.LeaveSmall(isLarge: false);
        }
    }
}
