using Floe.FileSystem.Content;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A content store on the S3 double, with a cache in a folder of its own.</summary>
internal sealed class ContentFixture : IAsyncDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly List<ContentStore> _others = [];

    private ContentFixture(S3Double server, IBucketService buckets, ContentStoreOptions options)
    {
        (Server, Buckets) = (server, buckets);
        Options = options.CacheFolder.Length > 0 ? options : options with { CacheFolder = _folder["cache"] };
        Store = new ContentStore(buckets, Options);
    }

    public S3Double Server { get; }

    public IBucketService Buckets { get; }

    public ContentStoreOptions Options { get; }

    public ContentStore Store { get; private set; }

    public string CacheFolder => Options.CacheFolder;

    public static async Task<ContentFixture> StartAsync(
        Func<ContentStoreOptions, ContentStoreOptions>? change = null, Func<ObjectStoreOptions, ObjectStoreOptions>? changeS3 = null,
        ICredentialSource? credentials = null)
    {
        var server = await S3Double.StartAsync();
        // One local file stays open: the others are closed and opened again all the time.
        var options = new ContentStoreOptions { CacheFolder = "", MaxCacheBytes = 256 << 20, MaxOpenLocalFiles = 1 };
        return new ContentFixture(server, server.OpenBuckets(changeS3, credentials), change?.Invoke(options) ?? options);
    }

    public static byte[] Bytes(int count, int seed = 1)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Equality of arrays too long to be shown.</summary>
    public static void AssertSame(byte[] expected, byte[]? actual)
    {
        Assert.NotNull(actual);
        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal(-1, expected.AsSpan().CommonPrefixLength(actual) is var same && same == expected.Length ? -1 : same);
    }

    public static ContentTarget Target(string key) => new(S3Double.Bucket, key);

    /// <summary>One more store on the same bucket.</summary>
    public ContentStore Another(Func<ContentStoreOptions, ContentStoreOptions>? change = null)
    {
        _others.Add(new ContentStore(Buckets, change?.Invoke(Options) ?? Options));
        return _others[^1];
    }

    /// <summary>An object that is in the bucket before anybody looks.</summary>
    public async Task<FileContent> OpenAsync(string key, byte[] content, CancellationToken cancellationToken)
    {
        Server.Write(key, content);
        return Store.Open(await VersionAsync(key, cancellationToken), Target(key));
    }

    public async Task<ObjectVersion> VersionAsync(string key, CancellationToken cancellationToken)
    {
        var found = await Buckets.Open(S3Double.Bucket).HeadAsync(key, cancellationToken);
        return new ObjectVersion(S3Double.Bucket, key, found!.ETag, found.Size);
    }

    public static async Task<byte[]> ReadAllAsync(FileContent content, CancellationToken cancellationToken)
    {
        var all = new byte[content.Size];
        for (var done = 0; done < all.Length;)
        {
            var count = await content.ReadAsync(done, all.AsMemory(done, Math.Min(128 << 10, all.Length - done)), cancellationToken);
            if (count == 0)
            {
                return all[..done];
            }

            done += count;
        }

        return all;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var store in _others.Prepend(Store))
        {
            await store.DisposeAsync();
        }

        await Buckets.DisposeAsync();
        await Server.DisposeAsync();
        _folder.Dispose();
    }
}
