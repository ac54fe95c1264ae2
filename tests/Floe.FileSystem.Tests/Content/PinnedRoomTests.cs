using Floe.FileSystem.Content;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Files that the kernel reads from the cache by itself, and writes to them that have no room.</summary>
public sealed class PinnedRoomTests
{
    private const int Block = BlockMap.BlockBytes;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A mapping has written to a hole of which the disk takes no more.</summary>
    [Fact]
    public async Task WriteAsync_DiskRefusesAHoleThatAMappingHasWrittenTo_LeavesWhatItWrote()
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 2);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path });
        var content = await PinAsync(fixture.Store, Block);
        await content.TruncateAsync(4 * Block, Token);
        MappedFile.MapWrite(content, 2 * Block, 7);
        await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(Path.Combine(disk.Path, "filler"), Bytes(4 << 20), Token));
        var used = fixture.Store.Space.UsedBytes;
        var error = await Assert.ThrowsAsync<ContentException>(async () => await content.WriteAsync((2 * Block) + 8192, Bytes(4096), Token));
        Assert.Equal((ContentErrorKind.NoSpace, 4L * Block), (error.Kind, content.Size));
        Assert.Equal(used + Block, fixture.Store.Space.UsedBytes);
        File.Delete(Path.Combine(disk.Path, "filler"));
        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        var expected = new byte[4 * Block];
        Bytes(Block, seed: 0).CopyTo(expected, 0);
        expected[2 * Block] = 7;
        AssertSame(expected, fixture.Server.Read("out"));
    }

    /// <summary>Each try took more of the share of such files, until none could be given to the kernel.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WriteAsync_NoRoomForAFileThatTheKernelReads_TakesNothingOfTheShareOfSuchFiles(bool isDiskFull)
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 4);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path, MaxCacheBytes = isDiskFull ? 256 << 20 : 1 << 20, ClosePatience = TimeSpan.Zero });
        var content = await PinAsync(fixture.Store, Block);
        await RoomTests.FillAsync(fixture, "other", (1 << 20) - Block);
        if (isDiskFull)
        {
            await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(Path.Combine(disk.Path, "filler"), Bytes(4 << 20), Token));
        }

        for (var i = 0; i < 3; i++)
        {
            var error = await Assert.ThrowsAsync<ContentException>(async () => await content.WriteAsync(Block, Bytes(Block), Token));
            Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
        }

        Assert.Equal(Block, fixture.Store.PinnedBytes);
        content.UnpinLocalFile();
        Assert.Equal(0, fixture.Store.PinnedBytes);
        content.Close(canRead: true, canWrite: true);
    }

    /// <summary>A file that is in the bucket and given to the kernel, and opened for writing since.</summary>
    private static async Task<FileContent> PinAsync(ContentStore store, int bytes)
    {
        var content = store.Create(Target("out"));
        content.Open(canRead: true, canWrite: true);
        await RoomTests.WriteAsync(content, 0, bytes);
        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await store.DrainAsync(includingOpen: false, Token));
        content.Open(canRead: true, canWrite: false);
        content.TryPinLocalFile()!.Value.Dispose();
        content.Close(canRead: true, canWrite: false);
        content.Open(canRead: true, canWrite: true);
        return content;
    }
}
