using Floe.FileSystem.Content;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A disk that is full before the cache's limit is reached.</summary>
public sealed class FullDiskTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WriteAsync_DiskFullOfWhatCanGoUp_WaitsForTheUploadsAndIsTheObject()
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 20);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var written = await FillAsync(content, Bytes(60_000_000));
        Assert.Equal(60_000_000, written);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(60_000_000), fixture.Server.Read("out"));
    }

    [Fact]
    public async Task WriteAsync_DiskFullOfWhatCannotGoUp_IsNoSpaceAndTheFileIsWhatWasWritten()
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 2);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var written = await FillAsync(content, Bytes(4_000_000));
        Assert.InRange(written, 1_000_000, 2 << 20);
        Assert.Equal(written, content.Size);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(4_000_000)[..written], fixture.Server.Read("out"));
    }

    [Fact]
    public async Task WriteAsync_OverAnObjectOnAFullDisk_IsNoSpaceAndLeavesTheObjectsBytes()
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 2);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path });
        var other = fixture.Store.Create(Target("other"));
        other.Open(canRead: false, canWrite: true);
        await FillAsync(other, Bytes(4_000_000));
        var content = await fixture.OpenAsync("a", Bytes(1 << 20), Token);
        content.Open(canRead: true, canWrite: true);
        var error = await Assert.ThrowsAsync<ContentException>(async () => await content.WriteAsync(128 << 10, Bytes(256 << 10, seed: 2), Token));
        Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
        Assert.False(content.IsDirty);
        AssertSame(Bytes(1 << 20), await ReadAllAsync(content, Token));
    }

    /// <summary>Somebody removes the file, so that what is not here of it is on its way.</summary>
    [Fact]
    public async Task WriteAsync_DiskRefusesItWhileTheFileIsBeingRemoved_LeavesTheObjectsBytes()
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 2);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path, ClosePatience = TimeSpan.Zero });
        var content = await fixture.OpenAsync("a", Bytes(1 << 20), Token);
        content.Open(canRead: true, canWrite: true);
        using var isWritten = new ManualResetEventSlim();
        fixture.Server.Faults.Add(new(Testing.S3.S3DoubleFaultKind.Error)
        {
            Where = _ =>
            {
                isWritten.Wait(Token);
                return false;
            },
        });
        var detaching = content.PrepareDetachAsync(isOpen: true, Token);
        await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(Path.Combine(disk.Path, "filler"), Bytes(4 << 20), Token));
        var writing = content.WriteAsync(128 << 10, Bytes(256 << 10, seed: 2), Token).AsTask();
        while (!fixture.Store.Space.IsLowered)
        {
            await Task.Delay(5, Token);
        }

        isWritten.Set();
        Assert.Equal(ContentErrorKind.NoSpace, (await Assert.ThrowsAsync<ContentException>(() => writing)).Kind);
        Assert.Equal(ContentErrorKind.NoSpace, (await Assert.ThrowsAsync<ContentException>(() => detaching)).Kind);
        File.Delete(Path.Combine(disk.Path, "filler"));
        Assert.False(content.IsDirty);
        AssertSame(Bytes(1 << 20), await ReadAllAsync(content, Token));
    }

    /// <summary>There is no room past the disk: it waits on, and the freeze comes to nothing, or others make room.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WriteAsync_FrozenWhileItWaitsOnAFullDisk_GoesOnWhenAnotherIsClosed(bool isLong)
    {
        using var disk = await SmallDisk.MakeAsync(megabytes: 4);
        await using var fixture = await StartAsync(o => o with { CacheFolder = disk.Path, ClosePatience = isLong ? TimeSpan.FromSeconds(1.5) : TimeSpan.FromMinutes(5) });
        var other = fixture.Store.Create(Target("other"));
        other.Open(canRead: false, canWrite: true);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(1 << 20), Token);
        var filler = Path.Combine(disk.Path, "filler");
        await FillAsync(other, Bytes(2 << 20));
        await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(filler, Bytes(4 << 20), Token));
        using var released = new CancellationTokenSource();
        var writing = content.WriteAsync(1 << 20, Bytes(1 << 20, seed: 2), released.Token, Token).AsTask();
        await Task.WhenAny(writing, Task.Delay(300, Token));
        Assert.False(writing.IsCompleted, writing.Exception?.ToString());
        fixture.Store.IsBeingFrozen = true;
        await released.CancelAsync();
        await Task.WhenAny(writing, Task.Delay(isLong ? 3000 : 1200, Token));
        Assert.False(writing.IsCompleted, writing.Exception?.ToString());
        fixture.Store.IsBeingFrozen = false;
        other.Close(canRead: false, canWrite: true);
        await writing.WaitAsync(TimeSpan.FromSeconds(30), Token);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame([.. Bytes(1 << 20), .. Bytes(1 << 20, seed: 2)], fixture.Server.Read("out"));
    }

    /// <summary>Writes until the disk is full; gives how many bytes were taken.</summary>
    private static async Task<int> FillAsync(FileContent content, byte[] bytes)
    {
        for (var at = 0; at < bytes.Length; at += 100_000)
        {
            try
            {
                await content.WriteAsync(at, bytes.AsMemory(at, Math.Min(100_000, bytes.Length - at)), Token);
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace)
            {
                return at;
            }
        }

        return bytes.Length;
    }
}
