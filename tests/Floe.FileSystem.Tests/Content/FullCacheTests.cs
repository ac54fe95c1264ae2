using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A cache that is full of what must go up before it can be dropped: nobody is refused who can be served, nobody waits for ever.</summary>
public sealed class FullCacheTests
{
    private const int Block = BlockMap.BlockBytes;
    private const int Part = (int)PartGrid.MinPartBytes;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ReadAsync_ObjectEndsWithinABlockAndTheFileGoesOn_GivesZerosBehindIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        var content = await fixture.OpenAsync("a", Bytes(100_000), Token);
        content.Open(canRead: true, canWrite: true);
        await content.TruncateAsync(300_000, Token);
        await FillAsync(fixture, "other", 1 << 20);
        var read = Bytes(300_000, seed: 3);
        Assert.Equal(300_000, await Task.Run(async () => await content.ReadAsync(0, read, Token), Token).WaitAsync(s_limit, Token));
        AssertSame([.. Bytes(100_000), .. new byte[200_000]], read);
    }

    [Fact]
    public async Task WriteAsync_PartLooksForTheSpaceToBeCompleted_GoesOnWhenItIsUp()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = Part });
        var expected = Bytes(3 * Part);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        using var mayGoOn = new ManualResetEventSlim();
        var looked = new TaskCompletionSource();
        try
        {
            // The part is held where it gives up waiting for space, or, if it does not wait, where it goes up.
            fixture.Store.Space.EvictPatiently = _ => looked.TrySetResult() && mayGoOn.Wait(s_limit, Token) ? 0 : 0;
            fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue)
            {
                Where = c => c.Query.Contains("partNumber=1&", StringComparison.Ordinal) && looked.TrySetResult() && !mayGoOn.Wait(s_limit, Token),
            });
            // The first part lacks a block, and the second takes the last of the space.
            await WriteAsync(content, expected, 0, Part - Block);
            await WriteAsync(content, expected, Part, Part + Block);
            await looked.Task.WaitAsync(s_limit, Token);
            var writing = WriteAsync(content, expected, Part + Block, Part + (2 * Block));
            Assert.False(writing.IsCompleted);
            mayGoOn.Set();
            await writing.WaitAsync(s_limit, Token);
        }
        finally
        {
            mayGoOn.Set();
        }

        await CloseAsync(fixture, content, expected);
    }

    [Fact]
    public async Task ReadAsync_WaitsForSpaceWithABlockThatTheOnlyPartLacks_GetsItWhenThePartIsUp()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = Part - Block });
        var expected = Bytes(3 * Part);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        await WriteAsync(content, expected, 0, Part - Block);
        var read = new byte[Block];
        Assert.Equal(Block, await content.ReadAsync(Part - Block, read, Token).AsTask().WaitAsync(s_limit, Token));
        AssertSame(expected[(Part - Block)..Part], read);
        await CloseAsync(fixture, content, expected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task SyncAsync_PartsTooLargeForMemoryAndRoomToCompleteOne_SendsOneAfterTheOther(int maxUploads)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 2 * Part, MaxPartMemoryBytes = 0, MaxUploads = maxUploads });
        var expected = Bytes(4 * Part);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        await fixture.Store.PauseAsync(Token);
        for (var part = 0; part < 3; part++)
        {
            await WriteAsync(content, expected, part * Part, (part * Part) + (Part / 2));
        }

        fixture.Store.Resume();
        await content.SyncAsync(Token).WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, expected);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Publication_PartTooLargeForMemoryAndNoRoomToCompleteIt_GoesPastTheLimit(bool isForced)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = Part, MaxPartMemoryBytes = 0 });
        var expected = Bytes(3 * Part);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        await WriteAsync(content, expected, 0, Part / 2);
        await FillAsync(fixture, "other", Part / 2);
        if (isForced)
        {
            await content.SyncAsync(Token).WaitAsync(s_limit, Token);
            AssertSame(expected, fixture.Server.Read("out"));
        }

        await CloseAsync(fixture, content, expected);
    }

    /// <summary>Every second block: when the cache is full, all parts lack as much as they have.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task WriteAsync_PartsTooLargeForMemoryAndNoRoomToCompleteOne_SendsOneAfterTheOtherPastTheLimit(int maxUploads)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 2 * Part, MaxPartMemoryBytes = 0, MaxUploads = maxUploads });
        var expected = Bytes(10 * Part);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        using var ends = new CancellationTokenSource();
        var most = MostAsync();
        for (var at = 0; at < 10 * Part; at += 2 * Block)
        {
            await WriteAsync(content, expected, at, at + Block).WaitAsync(s_limit, Token);
        }

        await CloseAsync(fixture, content, expected);
        await ends.CancelAsync();
        Assert.InRange(await most, 2 * Part, 3 * Part);

        async Task<long> MostAsync()
        {
            long found = 0;
            while (!ends.IsCancellationRequested)
            {
                found = Math.Max(found, fixture.Store.Space.UsedBytes);
                await Task.Delay(1, CancellationToken.None);
            }

            return found;
        }
    }

    /// <summary>The reader has the block in hand while it waits: the part takes it over, or each would wait for the other.</summary>
    [Fact]
    public async Task ReadAsync_WaitsForSpaceWithABlockOfAPartTooLargeForMemory_GetsItWhenThePartIsUp()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = Part / 2, MaxPartMemoryBytes = 0 });
        var expected = Bytes(3 * Part);
        var content = await fixture.OpenAsync("out", [.. expected], Token);
        content.Open(canRead: true, canWrite: true);
        await WriteAsync(content, expected, 0, Part / 2);
        var read = new byte[Block];
        Assert.Equal(Block, await content.ReadAsync(Part - Block, read, Token).AsTask().WaitAsync(s_limit, Token));
        AssertSame(expected[(Part - Block)..Part], read);
        await CloseAsync(fixture, content, expected);
        Assert.InRange(fixture.Store.Space.UsedBytes, 0, Part);
    }

    [Fact]
    public async Task WriteAsync_ClosedSmallFileWaitsForItsTurn_GoesOnWhenItIsInTheBucket()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        for (var taken = 0; taken < ContentStore.MaxLargeBodies; taken++)
        {
            await fixture.Store.EnterSmallAsync(1 << 20, Token);
        }

        (await FillAsync(fixture, "closed", 1 << 20)).Close(canRead: true, canWrite: true);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: true, canWrite: true);
        var expected = new byte[Block];
        var writing = WriteAsync(content, expected, 0, Block);
        Assert.False(writing.IsCompleted);
        fixture.Store.LeaveSmall(isLarge: true);
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, expected);
        AssertSame(Bytes(1 << 20, seed: 2), fixture.Server.Read("closed"));
    }

    /// <summary>The kernel writes mapped pages for nobody: it cannot be let go as a traced process is.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WriteAsync_TaskIsBeingStopped_GoesPastTheLimit(bool waitsBefore)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = TimeSpan.Zero });
        var full = await FillAsync(fixture, "full", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: true, canWrite: true);
        var expected = new byte[Block];
        if (waitsBefore)
        {
            // Something is on its way, and does not arrive.
            fixture.Store.Space.BeginTransfer();
            var writing = WriteAsync(content, expected, 0, Block);
            Assert.False(writing.IsCompleted);
            fixture.Store.IsBeingFrozen = true;
            await writing.WaitAsync(s_limit, Token);
            fixture.Store.Space.EndTransfer();
        }
        else
        {
            fixture.Store.IsBeingFrozen = true;
            await WriteAsync(content, expected, 0, Block).WaitAsync(s_limit, Token);
        }

        fixture.Store.IsBeingFrozen = false;
        await Assert.ThrowsAsync<ContentException>(() => full.WriteAsync(1 << 20, Bytes(Block), Token).AsTask().WaitAsync(s_limit, Token));
        await CloseAsync(fixture, content, expected);
    }

    [Fact]
    public async Task WriteAsync_OpenFileIsSyncedByAnotherWhileTheWriterWaitsForSpace_IsNoSpace()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        using var mayGoOn = new ManualResetEventSlim();
        var isAsked = new TaskCompletionSource();
        fixture.Store.Space.EvictPatiently = _ => isAsked.TrySetResult() && mayGoOn.Wait(s_limit, Token) ? 0 : 0;
        var content = await FillAsync(fixture, "out", 1 << 20);
        var writing = Task.Run(async () => await content.WriteAsync(1 << 20, Bytes(Block), Token), Token);
        await isAsked.Task.WaitAsync(s_limit, Token);
        var sync = content.SyncAsync(Token);
        mayGoOn.Set();
        var error = await Assert.ThrowsAsync<ContentException>(() => writing.WaitAsync(s_limit, Token));
        Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
        await sync.WaitAsync(s_limit, Token);
        await content.WriteAsync(1 << 20, Bytes(Block), Token);
    }

    [Fact]
    public async Task WriteAsync_OlderBytesOfTheOnlySentPartMayStillArrive_GoesOn()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = Part + Block }, o => o with { MaxAttempts = 1 });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: true, canWrite: true);
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer, 1) { Where = c => c.Query.Contains("partNumber=1&", StringComparison.Ordinal) });
        var expected = new byte[Part + (3 * Block)];
        await WriteAsync(content, expected, 0, Part + Block);
        await SentAsync(fixture, content, 1);
        await WriteAsync(content, expected, 0, Block);
        await WriteAsync(content, expected, Part, Part + Block);
        await SentAsync(fixture, content, 1);
        await WriteAsync(content, expected, Part + Block, Part + (3 * Block)).WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, expected);
    }

    /// <summary>The service refuses to complete an upload of which a part is another than the one that is listed, and what only the upload has is lost.</summary>
    [Fact]
    public async Task Relieve_PartChangedWhileTheUploadIsCompleted_SendsItAfterwards()
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        await using var store = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = scratch["cache"], MaxCacheBytes = 64 << 20 });
        var content = store.Create(new ContentTarget(Tree.Bucket, "out"));
        content.Open(canRead: true, canWrite: true);
        var expected = new byte[(2 * Part) + Block];
        await WriteAsync(content, expected, 0, expected.Length);
        using var mayGoOn = new ManualResetEventSlim();
        var (isHeld, isTold) = (new TaskCompletionSource(), new TaskCompletionSource());
        buckets[Tree.Bucket].Before = (call, _) =>
        {
            if (call == "CompleteUpload" && isHeld.TrySetResult())
            {
                mayGoOn.Wait(s_limit, Token);
            }
            else if (call == "UploadPart" && isHeld.Task.IsCompleted && !mayGoOn.IsSet)
            {
                isTold.TrySetResult();
            }
        };
        var sync = Task.Run(() => content.SyncAsync(Token), Token);
        await isHeld.Task.WaitAsync(s_limit, Token);
        await content.WriteAsync(0, Bytes(100, seed: 2), Token);
        Bytes(100, seed: 2).CopyTo(expected, 0);
        Assert.True(content.Relieve());
        await Task.WhenAny(isTold.Task, Task.Delay(300, Token));
        mayGoOn.Set();
        await sync.WaitAsync(s_limit, Token);
        Assert.False(isTold.Task.IsCompleted);
        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await store.DrainAsync(includingOpen: false, Token).WaitAsync(s_limit, Token));
        AssertSame(expected, buckets[Tree.Bucket].Content("out"));
    }

    /// <summary>New bytes, also into the array.</summary>
    private static async Task WriteAsync(FileContent content, byte[] expected, int from, int to)
    {
        for (var at = from; at < to; at += Block)
        {
            var bytes = Bytes(Block, seed: at);
            bytes.CopyTo(expected, at);
            await content.WriteAsync(at, bytes, Token);
        }
    }

    private static async Task SentAsync(ContentFixture fixture, FileContent content, int parts)
    {
        while (fixture.Server.OpenPartCount < parts || content.IsSending)
        {
            await Task.Delay(5, Token);
        }
    }

    private static async Task CloseAsync(ContentFixture fixture, FileContent content, byte[] expected)
    {
        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token).WaitAsync(s_limit, Token));
        AssertSame(expected, fixture.Server.Read("out"));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    private static async Task<FileContent> FillAsync(ContentFixture fixture, string key, int bytes)
    {
        var content = fixture.Store.Create(Target(key));
        content.Open(canRead: true, canWrite: true);
        await content.WriteAsync(0, Bytes(bytes, seed: 2), Token);
        return content;
    }
}
