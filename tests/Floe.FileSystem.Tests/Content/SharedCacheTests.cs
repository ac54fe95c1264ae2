using Floe.FileSystem.Content;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Several stores with one cache folder, as those of the jobs of one machine.</summary>
public sealed class SharedCacheTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Open_AnotherStoreUsesTheFolder_LeavesItsBytes()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var folder = new ScratchFolder();
        var options = new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 256 << 20 };
        await using var first = new ContentStore(buckets, options);
        var one = await WriteAsync(first, "one", seed: 1);
        await using var second = new ContentStore(buckets, options);
        var two = await WriteAsync(second, "two", seed: 2);
        var oneMore = await WriteAsync(first, "more", seed: 3);
        foreach (var (store, contents) in new[] { (first, new[] { one, oneMore }), (second, [two]) })
        {
            Array.ForEach(contents, c => c.Close(canRead: false, canWrite: true));
            Assert.Empty(await store.DrainAsync(includingOpen: false, Token));
        }

        AssertSame(Bytes(1_000_000, 1), server.Read("one"));
        AssertSame(Bytes(1_000_000, 2), server.Read("two"));
        AssertSame(Bytes(1_000_000, 3), server.Read("more"));
    }

    [Fact]
    public async Task Open_NoLimit_IsFourFifthsOfWhatIsFreeThere()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var folder = new ScratchFolder();
        await using var store = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = folder["cache"] });
        // Others use the disk meanwhile.
        var free = (double)new DriveInfo(folder["cache"]).AvailableFreeSpace;
        Assert.InRange(store.Space.MaxBytes / free, 0.77, 0.83);
        await using var limited = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 24 << 20 });
        Assert.Equal(24 << 20, limited.Space.MaxBytes);
    }

    [Fact]
    public async Task Open_FolderOfADeadProcess_IsRemovedAndKeptBytesStay()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var folder = new ScratchFolder();
        var options = new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 256 << 20 };
        string dead;
        await using (var store = new ContentStore(buckets, options))
        {
            dead = Assert.Single(Directory.GetDirectories(folder["cache"]));
        }

        Assert.Empty(Directory.GetFileSystemEntries(folder["cache"]));
        Directory.CreateDirectory(dead);
        await File.WriteAllTextAsync(Path.Combine(dead, "left.blocks"), "left", Token);
        var kept = Path.Combine(Directory.CreateDirectory(folder["cache/kept"]).FullName, "bytes");
        await File.WriteAllTextAsync(kept, "kept", Token);
        await using (var store = new ContentStore(buckets, options))
        {
            Assert.False(Directory.Exists(dead));
            Assert.True(File.Exists(kept));
        }
    }

    [Fact]
    public async Task Dispose_BothStoresKeepBytes_NeitherTakesTheOthersName()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var folder = new ScratchFolder();
        var options = new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 256 << 20 };
        for (var seed = 1; seed <= 2; seed++)
        {
            await using var store = new ContentStore(buckets, options);
            await WriteAsync(store, "same", seed);
        }

        Assert.Equal(2, Directory.GetFiles(folder["cache/kept"]).Length);
    }

    private static async Task<FileContent> WriteAsync(ContentStore store, string key, int seed)
    {
        var content = store.Create(Target(key));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(1_000_000, seed), Token);
        return content;
    }
}
