using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Writes that got through while every try of theirs failed.</summary>
public sealed class UnansweredWriteTests : IAsyncDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private readonly ContentStore _store;

    public UnansweredWriteTests() => _store = new ContentStore(
        _buckets, new ContentStoreOptions { CacheFolder = _scratch["cache"], MaxCacheBytes = 64 << 20, MaxUploadTries = 1 });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    [Fact]
    public async Task Drain_SameContent_IsWhatTheBucketHas()
    {
        var content = await LoseAsync(New(), 0, Bytes(1000));
        var published = 0;
        content.Published += _ => published++;
        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(1000), Bucket.Content("f"));
        Assert.Single(Bucket.Calls, "Put f");
        Assert.Equal(1, published);
        Assert.False(content.IsDirty);
        AssertSame(Bytes(1000), await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task Drain_WrittenSince_GoesOverIt()
    {
        var content = await LoseAsync(New(), 0, Bytes(1000));
        await WriteAsync(content, 1000, Bytes(500, seed: 2));
        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        AssertSame([.. Bytes(1000), .. Bytes(500, seed: 2)], Bucket.Content("f"));
    }

    [Fact]
    public async Task Drain_SecondWriteOfSeveralGotThrough_IsKnownToo()
    {
        Bucket.Before = (call, _) => Fail(call == "Put");
        var content = New();
        await WriteAsync(content, 0, Bytes(1000));
        Assert.Single(await _store.DrainAsync(includingOpen: false, Token));
        Bucket.Before = null;
        await LoseAsync(content, 1000, Bytes(500, seed: 2));
        await WriteAsync(content, 1500, Bytes(7, seed: 3));
        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        AssertSame([.. Bytes(1000), .. Bytes(500, seed: 2), .. Bytes(7, seed: 3)], Bucket.Content("f"));
    }

    /// <summary>What the file has of the object's bytes is to be had of the new one alone.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Drain_ChangeOfAnObject_HasTheRestOfItsBytes(bool isCutMeanwhile)
    {
        var bytes = Bytes(3_000_000);
        var etag = await Bucket.PutAsync("f", bytes, ObjectHeaders.Empty, PutCondition.None, Token);
        var content = _store.Open(new ObjectVersion(Tree.Bucket, "f", etag, bytes.Length), new ContentTarget(Tree.Bucket, "f"));
        await LoseAsync(content, 100, Bytes(10, seed: 2));
        Bytes(10, seed: 2).CopyTo(bytes, 100);
        content.Evict(long.MaxValue, waits: true);
        content.Open(canRead: true, canWrite: true);
        if (isCutMeanwhile)
        {
            await content.TruncateAsync(1_000_000, Token);
            await content.TruncateAsync(3_000_000, Token);
            bytes.AsSpan(1_000_000).Clear();
        }
        else
        {
            await content.WriteAsync(10 * BlockMap.BlockBytes, Bytes(BlockMap.BlockBytes, seed: 3), Token);
            Bytes(BlockMap.BlockBytes, seed: 3).CopyTo(bytes, 10 * BlockMap.BlockBytes);
        }

        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, Bucket.Content("f"));
        AssertSame(bytes, await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task ReadAsync_BeforeTheNextPublication_HasTheRestOfTheObjectsBytes()
    {
        var bytes = Bytes(3_000_000);
        var etag = await Bucket.PutAsync("f", bytes, ObjectHeaders.Empty, PutCondition.None, Token);
        var content = _store.Open(new ObjectVersion(Tree.Bucket, "f", etag, bytes.Length), new ContentTarget(Tree.Bucket, "f"));
        await LoseAsync(content, 100, Bytes(10, seed: 2));
        Bytes(10, seed: 2).CopyTo(bytes, 100);
        content.Evict(long.MaxValue, waits: true);
        content.Open(canRead: true, canWrite: false);
        AssertSame(bytes, await ReadAllAsync(content, Token));
        content.Close(canRead: true, canWrite: false);
    }

    [Fact]
    public async Task Drain_AnothersWriteAfterOneThatDidNotGetThrough_OverwritesNothing()
    {
        Bucket.Before = (call, _) => Fail(call == "Put");
        await WriteAsync(New(), 0, Bytes(1000));
        Assert.Single(await _store.DrainAsync(includingOpen: false, Token));
        Bucket.Before = null;
        Bucket.Put("f", "theirs");
        var failure = Assert.Single(await _store.DrainAsync(includingOpen: false, Token));
        Assert.Equal(ContentErrorKind.Conflict, failure.Error.Kind);
        Assert.Equal("theirs", Bucket.Text("f"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Drain_UploadWasCompleted_IsWhatTheBucketHas(bool isChangedSince)
    {
        await using var fixture = await StartAsync(o => o with { MaxUploadTries = 1 }, o => o with { MaxAttempts = 1 });
        var bytes = Bytes(20_000_000);
        var content = fixture.Store.Create(Target("f"));
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer) { Where = c => c.Method == "POST" && c.Query.Contains("uploadId", StringComparison.Ordinal) });
        await WriteAsync(content, 0, bytes);
        Assert.Single(await fixture.Store.DrainAsync(includingOpen: false, Token));
        if (isChangedSince)
        {
            // The other parts are in the object alone.
            content.Evict(long.MaxValue, waits: true);
            await WriteAsync(content, 19_000_000, Bytes(10, seed: 2));
            Bytes(10, seed: 2).CopyTo(bytes, 19_000_000);
        }

        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, fixture.Server.Read("f"));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _scratch.Dispose();
    }

    private static void Fail(bool condition)
    {
        if (condition)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, "no answer");
        }
    }

    private static async Task WriteAsync(FileContent content, long offset, byte[] bytes)
    {
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(offset, bytes, Token);
        content.Close(canRead: false, canWrite: true);
    }

    private FileContent New() => _store.Create(new ContentTarget(Tree.Bucket, "f"));

    /// <summary>Writes and closes; the PUT takes effect and fails.</summary>
    private async Task<FileContent> LoseAsync(FileContent content, long offset, byte[] bytes)
    {
        Bucket.After = (_, _) => Fail(true);
        await WriteAsync(content, offset, bytes);
        Assert.Single(await _store.DrainAsync(includingOpen: false, Token));
        Bucket.After = null;
        return content;
    }
}
