using Floe.Linux;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Failures of the store as error numbers.</summary>
public sealed class ErrorTests : CoreTests
{
    [Theory]
    [InlineData(ObjectStoreErrorKind.AccessDenied, Errno.EACCES)]
    [InlineData(ObjectStoreErrorKind.Credentials, Errno.EACCES)]
    [InlineData(ObjectStoreErrorKind.Busy, Errno.EBUSY)]
    [InlineData(ObjectStoreErrorKind.Unavailable, 121)]
    [InlineData(ObjectStoreErrorKind.Corrupt, 121)]
    [InlineData(ObjectStoreErrorKind.NoSpace, Errno.ENOSPC)]
    [InlineData(ObjectStoreErrorKind.NotFound, Errno.ENOENT)]
    public async Task AnyOperation_StoreFails_HasItsErrno(ObjectStoreErrorKind kind, int errno)
    {
        Bucket.Before = (_, key) => throw new ObjectStoreException(kind, key);
        await FailsAsync(errno, () => Tree.StatAsync("f"));
        await FailsAsync(errno, () => Tree.ListAsync(""));
    }

    [Fact]
    public async Task MakeFolder_StoreFails_MakesNone()
    {
        Bucket.Before = (call, key) =>
        {
            if (call == "Put")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.MakeFolderAsync("d"));
        Assert.False(await Tree.ExistsAsync("d"));
    }

    [Fact]
    public async Task Unlink_StoreFails_LeavesTheFile()
    {
        Bucket.Put("f", "text");
        Bucket.Before = (call, key) =>
        {
            if (call == "Delete")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.UnlinkAsync("f"));
        Assert.Equal("text", await Tree.ReadAsync("f"));
    }

    [Fact]
    public async Task Sync_StoreRefuses_SaysSoAndKeepsTheBytes()
    {
        Bucket.Before = (call, key) =>
        {
            if (call is "Put" or "CreateUpload")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        var handle = await Tree.CreateAsync("f", Tree.ReadWrite);
        await Tree.Files.WriteAsync(handle, 0, "text"u8.ToArray(), killsPrivileges: false, default);
        await FailsAsync(Errno.EIO, () => Tree.Files.SyncAsync(handle, default, default).AsTask());
        await FailsAsync(Errno.EIO, () =>
        {
            Tree.Files.Flush(handle);
            return Task.CompletedTask;
        });
        Assert.Equal("text", await Tree.ReadAsync(handle));
        Tree.Files.Release(handle);
    }
}
