using Floe.FileSystem.Content;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Sent parts that are dropped from a full cache while something of them is still to be written or read.</summary>
public sealed class EvictedPartTests
{
    private const int Block = BlockMap.BlockBytes;
    private const int Hole = 10 * Block;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Hole, Block)]
    [InlineData(Hole - 100, Block + 100)]
    [InlineData(Hole, Block + 100)]
    [InlineData(Hole - 100, Block + 200)]
    public async Task WriteAsync_HoleOfASentPartInAFullCache_IsInTheObject(int offset, int count)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        // One block more than three parts, and one less: the cache is full, and its oldest part is the one with the hole.
        var expected = Bytes((24 << 20) + Block);
        expected.AsSpan(Hole, Block).Clear();
        await WriteAsync(content, expected, 0, Hole);
        await WriteAsync(content, expected, Hole + Block, 8 << 20);
        for (var part = 1; part <= 3; part++)
        {
            await WriteAsync(content, expected, part << 23, Math.Min((part + 1) << 23, expected.Length));
            await SentAsync(fixture, content, part);
        }

        Assert.Equal(24 << 20, content.CachedBytes);
        var late = Bytes(count, seed: 2);
        late.CopyTo(expected, offset);
        await content.WriteAsync(offset, late, Token);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected, fixture.Server.Read("out"));
    }

    [Fact]
    public async Task SyncAsync_CutToLessThanAPartOfALostUpload_Fails()
    {
        await using var fixture = await StartAsync(o => o with { MaxUploadTries = 1 });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await WriteAsync(content, Bytes(9 << 20), 0, 9 << 20);
        await SentAsync(fixture, content, 1);
        content.Evict(long.MaxValue, waits: true);
        var bucket = fixture.Buckets.Open(S3Double.Bucket);
        await foreach (var upload in bucket.ListUploadsAsync("", Token))
        {
            await bucket.AbortUploadAsync(upload.Key, upload.UploadId, Token);
        }

        await Assert.ThrowsAsync<ContentException>(() => content.SyncAsync(Token));
        await content.TruncateAsync(5 << 20, Token);
        var error = await Assert.ThrowsAsync<ContentException>(() => content.SyncAsync(Token));
        Assert.Contains("nowhere else", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evict_PartsSentDuringAHold_StayForTheOtherKey()
    {
        await using var fixture = await StartAsync();
        var content = fixture.Store.Create(Target("old"));
        content.Open(canRead: false, canWrite: true);
        var expected = Bytes(17 << 20);
        await WriteAsync(content, expected, 0, 8 << 20);
        using (await content.HoldAsync(Token))
        {
            await WriteAsync(content, expected, 8 << 20, 17 << 20);
            await SentAsync(fixture, content, 2);
            content.Evict(long.MaxValue, waits: true);
            content.Retarget(Target("new"), null, null);
        }

        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected, fixture.Server.Read("new"));
        Assert.Null(fixture.Server.Read("old"));
    }

    [Fact]
    public async Task WriteAsync_CacheFullDuringAHold_GoesOnWhenItEnds()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var expected = Bytes(40 << 20);
        await WriteAsync(content, expected, 0, 8 << 20);
        Task writing;
        using (await content.HoldAsync(Token))
        {
            await WriteAsync(content, expected, 8 << 20, 24 << 20);
            await SentAsync(fixture, content, 2);
            writing = WriteAsync(content, expected, 24 << 20, expected.Length);
        }

        await writing;
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected, fixture.Server.Read("out"));
    }

    /// <summary>The publication that it waits for waits for the end of the hold.</summary>
    [Fact]
    public async Task WriteAsync_FrozenWhileTheCacheIsFullDuringAHold_GoesPastTheLimit()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var expected = Bytes((24 << 20) + Block);
        await WriteAsync(content, expected, 0, 8 << 20);
        using (await content.HoldAsync(Token))
        {
            await WriteAsync(content, expected, 8 << 20, 24 << 20);
            await SentAsync(fixture, content, 2);
            using var released = new CancellationTokenSource();
            var writing = content.WriteAsync(24 << 20, expected.AsMemory(24 << 20, Block), released.Token, Token).AsTask();
            await RoomTests.StaysAsync(writing);
            await released.CancelAsync();
            await writing.WaitAsync(TimeSpan.FromSeconds(20), Token);
        }

        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected, fixture.Server.Read("out"));
    }

    [Fact]
    public async Task DisposeAsync_BytesAreOnlyInTheUpload_LeavesItAndNamesIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await WriteAsync(content, Bytes(40 << 20), 0, 40 << 20);
        fixture.Server.Write("out", Bytes(3, seed: 7));
        content.Close(canRead: false, canWrite: true);
        var failure = Assert.Single(await fixture.Store.DrainAsync(includingOpen: false, Token));
        await fixture.Store.DisposeAsync();
        Assert.True(File.Exists(failure.LocalPath));
        var bucket = fixture.Buckets.Open(S3Double.Bucket);
        var left = Assert.Single(await bucket.ListUploadsAsync("", Token).ToListAsync(Token));
        Assert.Matches($"of the bytes [0-9-]+(, [0-9-]+)* some are only in the unfinished upload {left.UploadId}", failure.Error.Message);
        Assert.Equal(5, (await bucket.ListPartsAsync(left.Key, left.UploadId, Token))!.Count);
    }

    [Fact]
    public async Task Evict_ContentThatWasJustDropped_GivesNothing()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("in", Bytes(1 << 20), Token);
        AssertSame(Bytes(1 << 20), await ReadAllAsync(content, Token));
        content.Drop(keepsFile: false);
        Assert.Equal(0, content.Evict(long.MaxValue, waits: true));
        Assert.Equal(0, fixture.Store.Space.UsedBytes);
    }

    [Fact]
    public async Task Evict_ObjectsBytesBesideASentPart_GoFirst()
    {
        await using var fixture = await StartAsync();
        var expected = Bytes(24 << 20);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        var late = Bytes(8 << 20, seed: 2);
        late.CopyTo(expected, 0);
        await WriteAsync(content, expected, 0, (8 << 20) + Block);
        await SentAsync(fixture, content, 1);
        await content.ReadAsync(20 << 20, new byte[Block], Token);
        content.Evict(1, waits: true);
        await content.ReadAsync(0, new byte[Block], Token);
        Assert.True(content.IsDirty);
        Assert.NotEqual(expected[0], fixture.Server.Read("out")![0]);
    }

    [Fact]
    public async Task Capture_ReaderThatReadNothingBack_CarriesOnlyWhatHasNotGoneUp()
    {
        await using var fixture = await StartAsync();
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: true, canWrite: true);
        var expected = Bytes((16 << 20) + Block);
        await WriteAsync(content, expected, 0, expected.Length);
        await SentAsync(fixture, content, 2);
        Assert.Equal(Block, content.Capture(carriesAll: false)!.Ranges.Sum(r => r.Count));

        await content.ReadAsync(16 << 20, new byte[Block], Token);
        Assert.Equal(Block, content.Capture(carriesAll: false)!.Ranges.Sum(r => r.Count));

        // As CRIU does it with every open file.
        fixture.Store.IsBeingFrozen = true;
        await content.ReadAsync(0, new byte[1 << 20], Token);
        Assert.Equal(Block, content.Capture(carriesAll: false)!.Ranges.Sum(r => r.Count));

        fixture.Store.IsBeingFrozen = false;
        await content.ReadAsync(0, new byte[Block], Token);
        Assert.Equal(expected.Length, content.Capture(carriesAll: false)!.Ranges.Sum(r => r.Count));

        await content.SyncAsync(Token);
        await content.WriteAsync(0, Bytes(Block, seed: 2), Token);
        Assert.Equal(Block, content.Capture(carriesAll: false)!.Ranges.Sum(r => r.Count));
    }

    private static async Task WriteAsync(FileContent content, byte[] bytes, int from, int to)
    {
        for (var at = from; at < to; at += Block)
        {
            await content.WriteAsync(at, bytes.AsMemory(at, Math.Min(Block, to - at)), Token);
        }
    }

    private static async Task SentAsync(ContentFixture fixture, FileContent content, int parts)
    {
        while (fixture.Server.OpenPartCount < parts || content.IsSending)
        {
            await Task.Delay(5, Token);
        }
    }
}
