using Floe.FileSystem.Content;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;
using static Floe.FileSystem.Tests.Content.RoomTests;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A writer who waits for what others let go of: a kernel's reader, a rename, a removal.</summary>
public sealed class LetGoTests
{
    private const int Block = BlockMap.BlockBytes;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Nobody tells of that: its bytes may be dropped from then on, and nothing else can.</summary>
    [Theory]
    [InlineData(20)]
    [InlineData(1)]
    public async Task WriteAsync_KernelsReaderOfHalfOfTheCacheCloses_GoesOn(int patienceSeconds)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = TimeSpan.FromSeconds(patienceSeconds) });
        var read = await FillAsync(fixture, "read", 1 << 19);
        read.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        using var local = read.TryPinLocalFile()!.Value;
        var removed = await FillAsync(fixture, "removed", 1 << 19);
        using (var removal = await removed.PrepareDetachAsync(isOpen: true, Token))
        {
            await removal.CompleteAsync();
        }

        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, Block);
        await StaysAsync(writing);
        read.UnpinLocalFile();
        await writing.WaitAsync(TimeSpan.FromSeconds(10), Token);
        Assert.Equal(Block, content.CachedBytes);
    }

    /// <summary>What is closed goes up when the rename is over, however long that takes.</summary>
    [Fact]
    public async Task WriteAsync_CacheFullOfAClosedFileThatIsBeingRenamed_GoesOnAfterIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = TimeSpan.FromSeconds(1), RetryPatience = s_long });
        var other = await FillAsync(fixture, "other", 1 << 20);
        var hold = await other.HoldAsync(Token);
        other.Close(canRead: true, canWrite: true);
        await AssertWritesOnceOverAsync(fixture, hold);
    }

    [Fact]
    public async Task WriteAsync_CacheFullOfAFileWhoseRemovalFails_GoesOnAfterIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = TimeSpan.FromSeconds(1), RetryPatience = s_long });
        var other = await FillAsync(fixture, "other", 1 << 20);
        var removal = await other.PrepareDetachAsync(isOpen: false, Token);
        other.Close(canRead: true, canWrite: true);
        await AssertWritesOnceOverAsync(fixture, removal);
    }

    /// <summary>A write waits longer than for others' closing, and goes on when what is under way has ended.</summary>
    private static async Task AssertWritesOnceOverAsync(ContentFixture fixture, IDisposable underWay)
    {
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var writing = WriteAsync(content, 0, Block);
        await Task.WhenAny(writing, Task.Delay(TimeSpan.FromSeconds(2.5), Token));
        Assert.False(writing.IsCompleted, writing.Exception?.ToString());
        underWay.Dispose();
        await writing.WaitAsync(s_limit, Token);
        await CloseAsync(fixture, content, Block);
    }
}
