using System.Diagnostics;
using Floe.FileSystem.Content;
using Floe.S3;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A cache full of what cannot go up now, but might before long: a writer waits for that, holds nothing meanwhile, and not for ever.</summary>
public sealed class RoomTests
{
    private const int Block = BlockMap.BlockBytes;
    private const int Part = (int)PartGrid.MinPartBytes;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WriteAsync_CacheFullOfAnOpenFile_GoesOnWhenThatIsClosed()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        var other = await FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, Block);
        await StaysAsync(writing);
        other.Close(canRead: true, canWrite: true);
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, Block);
    }

    /// <summary>It is in no bucket, and its bytes go when the last who has it open closes it.</summary>
    [Fact]
    public async Task WriteAsync_CacheFullOfARemovedOpenFile_GoesOnWhenThatIsClosed()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        var other = await FillAsync(fixture, "other", 1 << 20);
        using (var removal = await other.PrepareDetachAsync(isOpen: true, Token))
        {
            await removal.CompleteAsync();
        }

        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, Block);
        await StaysAsync(writing);
        other.Close(canRead: true, canWrite: true);
        other.Forget();
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, Block);
    }

    [Fact]
    public async Task WriteAsync_NobodyClosesAFile_IsNoSpaceAfterATimeAndThenAtOnce()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = TimeSpan.FromSeconds(1.5) });
        await FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var watch = Stopwatch.StartNew();
        await AssertNoSpaceAsync(WriteAsync(content, 0, Block));
        Assert.InRange(watch.Elapsed.TotalSeconds, 1.4, 20);
        watch.Restart();
        for (var i = 0; i < 10; i++)
        {
            await AssertNoSpaceAsync(WriteAsync(content, 0, Block));
        }

        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 1.4);
        Assert.Equal(0, content.Size);
    }

    /// <summary>Nobody but the one who waits could make room.</summary>
    [Fact]
    public async Task WriteAsync_CacheFullOfTheFileItself_IsNoSpaceAtOnce()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long, RetryPatience = s_long });
        var content = await FillAsync(fixture, "out", 1 << 20);
        await AssertNoSpaceAsync(WriteAsync(content, 1 << 20, Block));
    }

    [Fact]
    public async Task WriteAsync_OpenFileOfOneWholePart_GoesUp()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = Part });
        var content = await FillAsync(fixture, "out", Part);
        await WriteAsync(content, Part, Part);
        await CloseAsync(fixture, content, 2 * Part);
    }

    [Fact]
    public async Task SyncAsync_WhileTheFilesWriterWaitsForRoom_IsDoneAtOnceAndMakesIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        await FillAsync(fixture, "other", Block);
        var content = await FillAsync(fixture, "out", (1 << 20) - Block);
        var writing = WriteAsync(content, (1 << 20) - Block, Block);
        await StaysAsync(writing);
        await content.SyncAsync(Token).WaitAsync(s_limit, Token);
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, 1 << 20);
    }

    [Fact]
    public async Task TruncateAsync_WhileTheFilesWriterWaitsForRoom_IsDoneAtOnceAndMakesIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        await FillAsync(fixture, "other", Block);
        var content = await FillAsync(fixture, "out", (1 << 20) - Block);
        var writing = WriteAsync(content, (1 << 20) - Block, Block);
        await StaysAsync(writing);
        await content.TruncateAsync(0, Token).AsTask().WaitAsync(s_limit, Token);
        await writing.WaitAsync(s_limit, Token);
        Assert.Equal(1 << 20, content.Size);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WriteAsync_FrozenWhileItWaitsForOthersToClose_GoesPastTheLimit(bool isWriterReleased)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        await FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        using var released = new CancellationTokenSource();
        var writing = content.WriteAsync(0, Bytes(Block), released.Token, Token).AsTask();
        await StaysAsync(writing);
        if (isWriterReleased)
        {
            await released.CancelAsync();
        }
        else
        {
            fixture.Store.IsBeingFrozen = true;
        }

        await writing.WaitAsync(s_limit, Token);
        fixture.Store.IsBeingFrozen = false;
        Assert.Equal(Block, content.CachedBytes);
    }

    /// <summary>Else no writer would ever be refused where snapshots come to nothing again and again.</summary>
    [Fact]
    public async Task WriteAsync_RefusedBeforeASnapshot_IsNoSpaceAtOnceAfterIt()
    {
        await using var fixture = await StartAsync();
        var time = new ShiftedTime();
        await using var store = new ContentStore(fixture.Buckets, fixture.Options with { MaxCacheBytes = 1 << 20, ClosePatience = s_long }, timeProvider: time);
        await FillAsync(store, "other", 1 << 20);
        var content = store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, Block);
        await StaysAsync(writing);
        time.Shift = s_long * 2;
        await AssertNoSpaceAsync(writing);
        store.IsBeingFrozen = true;
        time.Shift *= 2;
        store.IsBeingFrozen = false;
        await AssertNoSpaceAsync(WriteAsync(content, 0, Block));
    }

    [Fact]
    public async Task WriteAsync_KilledWhileItWaitsForOthersToClose_Ends()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        await FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        using var killed = new CancellationTokenSource();
        var writing = content.WriteAsync(0, Bytes(Block), killed.Token).AsTask();
        await StaysAsync(writing);
        await killed.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing.WaitAsync(s_limit, Token));
        Assert.Equal(0, content.Size);
    }

    [Fact]
    public async Task WriteAsync_OpenFilesPartsFailedToGoUp_GoesOnWhenTheServiceIsBack()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 3 * Part, RetryPatience = s_long }, o => o with { MaxAttempts = 1 });
        fixture.Server.Faults.Add(Outage);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, 6 * Part);
        await StaysAsync(writing);
        Assert.Equal(ContentErrorKind.Busy, content.NotSentBy?.Kind);
        fixture.Server.Faults.Clear();
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, 6 * Part);
    }

    /// <summary>What is left has not failed, and is waited for no longer than for its closing.</summary>
    [Fact]
    public async Task TruncateAsync_PartsThatFailedToGoUpAreCutOff_FileHasNotFailed()
    {
        await using var fixture = await StartAsync(o => o with { RetryPatience = s_long }, o => o with { MaxAttempts = 1 });
        fixture.Server.Faults.Add(Outage);
        var content = await FillAsync(fixture, "out", 2 * Part);
        while (content.NotSentBy is null || content.IsSending)
        {
            await Task.Delay(5, Token);
        }

        await content.TruncateAsync(Part + Block, Token);
        Assert.NotNull(content.NotSentBy);
        await content.TruncateAsync(Block, Token);
        Assert.Null(content.NotSentBy);
        Assert.Equal(fixture.Options.ClosePatience, content.Patience(isWriters: false));
        fixture.Server.Faults.Clear();
        content.Close(canRead: true, canWrite: false);
        await CloseAsync(fixture, content, Block);
    }

    [Theory]
    [InlineData(1 << 20)]
    [InlineData(2 * Part)]
    public async Task WriteAsync_ClosedFilesFailedToGoUp_GoesOnWhenTheServiceIsBack(int bytes)
    {
        await using var fixture = await StartAsync(
            o => o with { MaxCacheBytes = 3 * bytes, MaxUploadTries = 1, MaxUploads = 2, RetryPatience = s_long }, o => o with { MaxAttempts = 1 });
        fixture.Server.Faults.Add(Outage);
        for (var i = 0; i < 3; i++)
        {
            var closed = await FillAsync(fixture, $"closed{i}", bytes);
            closed.Close(canRead: true, canWrite: true);
            await closed.SettleAsync();
            Assert.NotNull(closed.Failure);
        }

        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, bytes);
        await StaysAsync(writing);
        fixture.Server.Faults.Clear();
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, bytes);
        for (var i = 0; i < 3; i++)
        {
            AssertSame(Expected(bytes), fixture.Server.Read($"closed{i}"));
        }
    }

    [Fact]
    public async Task WriteAsync_ServiceStaysAway_IsNoSpaceAfterATimeAndSaysWhy()
    {
        await using var fixture = await StartAsync(
            o => o with { MaxCacheBytes = 1 << 20, MaxUploadTries = 1, RetryPatience = TimeSpan.FromSeconds(2.5) }, o => o with { MaxAttempts = 1 });
        fixture.Server.Faults.Add(Outage);
        var closed = await FillAsync(fixture, "closed", 1 << 20);
        closed.Close(canRead: true, canWrite: true);
        await closed.SettleAsync();
        var calls = fixture.Server.CallCount;
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var error = await AssertNoSpaceAsync(WriteAsync(content, 0, Block));
        Assert.Contains("closed fails to go up: ", error.Message, StringComparison.Ordinal);
        Assert.InRange(fixture.Server.CallCount - calls, 1, 4);
        fixture.Server.Faults.Clear();
    }

    /// <summary>What is refused is not waited for.</summary>
    [Fact]
    public async Task WriteAsync_ServiceRefusesAClosedFile_IsNoSpaceAtOnce()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, RetryPatience = s_long, ClosePatience = s_long });
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" });
        var closed = await FillAsync(fixture, "closed", 1 << 20);
        closed.Close(canRead: true, canWrite: true);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await AssertNoSpaceAsync(WriteAsync(content, 0, Block));
        fixture.Server.Faults.Clear();
    }

    [Fact]
    public async Task WriteAsync_ServiceNoLongerRefusesAClosedFile_TriesItOnceMore()
    {
        await using var fixture = await StartAsync();
        var time = new ShiftedTime();
        await using var store = new ContentStore(fixture.Buckets, fixture.Options with { MaxCacheBytes = 1 << 20 }, timeProvider: time);
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" });
        var closed = await FillAsync(store, "closed", 1 << 20);
        closed.Close(canRead: true, canWrite: true);
        await closed.SettleAsync();
        fixture.Server.Faults.Clear();
        var content = store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var calls = fixture.Server.CallCount;
        await AssertNoSpaceAsync(WriteAsync(content, 0, Block));
        Assert.Equal(calls, fixture.Server.CallCount);
        time.Shift = TimeSpan.FromSeconds(31);
        await WriteAsync(content, 0, Block).WaitAsync(s_limit, Token);
        Assert.Equal(1 << 20, fixture.Server.Read("closed")?.Length);
    }

    /// <summary>The cache holds what can be unsent of four files at a time, so nobody is refused, however long each has to wait.</summary>
    [Fact]
    public async Task WriteAsync_ManyWritersAndAServiceThatComesAndGoes_AllIsInTheBucket()
    {
        await using var fixture = await StartAsync(
            o => o with { MaxCacheBytes = 5 * Part, MaxUploadTries = 1, ClosePatience = s_long, RetryPatience = s_long }, o => o with { MaxAttempts = 1 });
        using var ends = new CancellationTokenSource();
        var weather = ComeAndGoAsync();
        var sizes = Enumerable.Range(0, 8).Select(i => Block * new Random(i).Next(1, 3 * Part / Block)).ToList();
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                for (var i = Interlocked.Increment(ref next); i < sizes.Count; i = Interlocked.Increment(ref next))
                {
                    var content = fixture.Store.Create(Target($"out{i}"));
                    content.Open(canRead: false, canWrite: true);
                    await WriteAsync(content, 0, sizes[i]);
                    content.Close(canRead: false, canWrite: true);
                }
            },
            Token))).WaitAsync(TimeSpan.FromMinutes(2), Token);
        await ends.CancelAsync();
        await weather;
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token).WaitAsync(s_limit, Token));
        Assert.All(sizes.Index(), f => AssertSame(Expected(f.Item), fixture.Server.Read($"out{f.Index}")));
        Assert.Equal(0, fixture.Server.OpenUploadCount);

        async Task ComeAndGoAsync()
        {
            // In no step with what is tried again.
            for (var random = new Random(1); !ends.IsCancellationRequested;)
            {
                fixture.Server.Faults.Add(Outage);
                await Task.Delay(random.Next(50, 250), CancellationToken.None);
                fixture.Server.Faults.Clear();
                await Task.Delay(random.Next(100, 700), CancellationToken.None);
            }
        }
    }

    private static byte[] Expected(int bytes) => [.. Enumerable.Range(0, bytes / Block).SelectMany(b => Bytes(Block, seed: b * Block))];

    private static S3DoubleFault Outage => new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 503, Code = "SlowDown", Where = c => c.Method is "PUT" or "POST" };

    internal static async Task StaysAsync(Task writing)
    {
        await Task.WhenAny(writing, Task.Delay(s_moment, Token));
        Assert.False(writing.IsCompleted, writing.Exception?.ToString());
    }

    private static async Task<ContentException> AssertNoSpaceAsync(Task writing)
    {
        var error = await Assert.ThrowsAsync<ContentException>(() => writing.WaitAsync(s_limit, Token));
        Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
        return error;
    }

    /// <summary>What a file has at an offset follows from the offset.</summary>
    internal static async Task WriteAsync(FileContent content, int offset, int count)
    {
        for (var done = 0; done < count; done += Block)
        {
            await content.WriteAsync(offset + done, Bytes(Block, seed: offset + done), Token);
        }
    }

    internal static async Task CloseAsync(ContentFixture fixture, FileContent content, int bytes)
    {
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token).WaitAsync(s_limit, Token));
        AssertSame(Expected(bytes), fixture.Server.Read("out"));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    internal static Task<FileContent> FillAsync(ContentFixture fixture, string key, int bytes) => FillAsync(fixture.Store, key, bytes);

    private static async Task<FileContent> FillAsync(ContentStore store, string key, int bytes)
    {
        var content = store.Create(Target(key));
        content.Open(canRead: true, canWrite: true);
        await WriteAsync(content, 0, bytes);
        return content;
    }

    /// <summary>A clock that can be put forward.</summary>
    private sealed class ShiftedTime : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + (long)(Shift.TotalSeconds * TimestampFrequency);
    }
}
