using Floe.FileSystem.Content;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>
/// The serving process's own appends, which copy what the task puts out, in a full cache: the task may wait for them, and so they for nothing that the task
/// would have to do.
/// </summary>
public sealed class AppendRoomTests
{
    private const int Block = BlockMap.BlockBytes;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AppendAsync_CacheFullOfAnOpenFile_GoesPastTheLimitAtOnce()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        await RoomTests.FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        for (var at = 0; at < 4 * Block; at += Block)
        {
            Assert.Equal(at, await content.AppendAsync(Bytes(Block, seed: at), Token).AsTask().WaitAsync(s_limit, Token));
        }

        Assert.Equal((1 << 20) + (4 * Block), fixture.Store.Space.UsedBytes);
        await RoomTests.CloseAsync(fixture, content, 4 * Block);
    }

    [Fact]
    public async Task AppendAsync_FarPastTheLimit_IsNoSpaceAtOnce()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20, ClosePatience = s_long });
        await RoomTests.FillAsync(fixture, "other", 1 << 20);
        fixture.Store.Space.TakePastLimit(64 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var error = await Assert.ThrowsAsync<ContentException>(() => content.AppendAsync(Bytes(Block), Token).AsTask().WaitAsync(s_limit, Token));
        Assert.Equal((ContentErrorKind.NoSpace, 0L), (error.Kind, content.Size));
        fixture.Store.Space.Release(64 << 20);
    }

    /// <summary>Nobody could close a file while all stand still.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AppendAsync_FullDisk_IsNoSpaceAtOnce(bool isBeingFrozen)
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 2);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path, ClosePatience = s_long, RetryPatience = s_long });
        var other = await RoomTests.FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await content.AppendAsync(Bytes(100), Token);
        await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(Path.Combine(disk.Path, "filler"), Bytes(2 << 20), Token));
        fixture.Store.IsBeingFrozen = isBeingFrozen;
        var error = await Assert.ThrowsAsync<ContentException>(() => content.AppendAsync(Bytes(Block), Token).AsTask().WaitAsync(s_limit, Token));
        Assert.Equal((ContentErrorKind.NoSpace, 100L), (error.Kind, content.Size));
        other.Close(canRead: true, canWrite: true);
    }

    [Fact]
    public async Task AppendAsync_FullDiskWithBytesThatCanBeHadAgain_DropsThem()
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 4);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path, ClosePatience = s_long });
        var clean = await fixture.OpenAsync("clean", Bytes(1 << 20), Token);
        AssertSame(Bytes(1 << 20), await ReadAllAsync(clean, Token));
        await RoomTests.FillAsync(fixture, "other", 1 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(Path.Combine(disk.Path, "filler"), Bytes(4 << 20), Token));
        await content.AppendAsync(Bytes(Block, seed: 0), Token).AsTask().WaitAsync(s_limit, Token);
        Assert.InRange(clean.CachedBytes, 0, (1 << 20) - Block);
        await RoomTests.CloseAsync(fixture, content, Block);
    }
}
