using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Writers beside publications of their file.</summary>
public sealed class PublishingGateTests : IAsyncDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private readonly ContentStore _store;

    public PublishingGateTests() => _store = new ContentStore(_buckets, new ContentStoreOptions { CacheFolder = _scratch["cache"], MaxCacheBytes = 64 << 20 });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    [Fact]
    public async Task WriteAsync_FileWaitsForUploadMemory_GoesOn()
    {
        var slots = 0;
        for (; slots < 32; slots++)
        {
            Assert.False(await _store.EnterSmallAsync(1, Token));
        }

        var content = _store.Create(new ContentTarget(Tree.Bucket, "log"));
        var bytes = Bytes(300);
        for (var line = 0; line < 3; line++)
        {
            content.Open(canRead: false, canWrite: true);
            await content.WriteAsync(line * 100, bytes.AsMemory(line * 100, 100), Token).AsTask().WaitAsync(TimeSpan.FromSeconds(20), Token);
            content.Close(canRead: false, canWrite: true);
            // Time for the publication to come to its wait.
            await Task.Delay(20, Token);
        }

        for (; slots > 0; slots--)
        {
            _store.LeaveSmall(isLarge: false);
        }

        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, Bucket.Content("log"));
    }

    [Fact]
    public async Task Close_FileGrewWhileItWaitedForUploadMemory_TakesThatOfALargeOne()
    {
        for (var i = 0; i < 32; i++)
        {
            await _store.EnterSmallAsync(1, Token);
        }

        var content = _store.Create(new ContentTarget(Tree.Bucket, "log"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(100), Token);
        content.Close(canRead: false, canWrite: true);
        await Task.Delay(20, Token);
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(300 << 10), Token);
        content.Close(canRead: false, canWrite: true);
        for (var i = 0; i < 32; i++)
        {
            _store.LeaveSmall(isLarge: false);
        }

        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(300 << 10), Bucket.Content("log"));
        for (var i = 0; i < ContentStore.MaxLargeBodies; i++)
        {
            Assert.True(await _store.EnterSmallAsync(300 << 10, Token));
        }
    }

    /// <summary>A file that changes faster than it goes up is sent in the gate, which stands still with the uploads.</summary>
    [Fact]
    public async Task WriteAsync_ReleasedWhileAPublicationHoldsWritersOff_GoesOn()
    {
        var content = _store.Create(new ContentTarget(Tree.Bucket, "out"));
        content.Open(canRead: false, canWrite: true);
        var bytes = Bytes(9 << 20);
        await content.WriteAsync(0, bytes, Token);
        await content.SyncAsync(Token);
        // From now on the first part alone is sent, once a round: the second is copied.
        await content.WriteAsync(0, bytes.AsMemory(0, 1), Token);
        var pausing = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        var changes = 0;
        Bucket.Before = (call, _) =>
        {
            if (call != "UploadPart")
            {
                return;
            }

            // Each of three rounds finds it changed.
            content.WriteAsync(0, bytes.AsMemory(0, 1), Token).AsTask().GetAwaiter().GetResult();
            if (++changes == 3)
            {
                Bucket.Before = null;
                pausing.SetResult(_store.PauseAsync(Token));
            }
        };
        var syncing = content.SyncAsync(Token);
        await pausing.Task;
        using var released = new CancellationTokenSource();
        Task writing;
        do
        {
            await Task.Delay(5, Token);
            writing = content.WriteAsync(0, bytes.AsMemory(0, 1), released.Token, Token).AsTask();
        }
        while (await Task.WhenAny(writing, Task.Delay(500, Token)) == writing);

        await released.CancelAsync();
        await writing.WaitAsync(TimeSpan.FromSeconds(20), Token);
        await await pausing.Task;
        Assert.False(syncing.IsCompleted);
        _store.Resume();
        await syncing;
        AssertSame(bytes, Bucket.Content("out"));
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _scratch.Dispose();
    }
}
