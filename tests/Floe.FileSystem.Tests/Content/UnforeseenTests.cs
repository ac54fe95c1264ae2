using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Failures of a kind that nobody foresaw.</summary>
public sealed class UnforeseenTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ReadAsync_FetchFailsAsNobodyForesaw_FailsAndLaterReadsAgain(int failingRequest)
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        await using var store = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = scratch["cache"], MaxCacheBytes = 64 << 20 });
        var bucket = buckets[Tree.Bucket];
        var etag = await bucket.PutAsync("a", Bytes(20 << 20), ObjectHeaders.Empty, PutCondition.None, Token);
        var content = store.Open(new ObjectVersion(Tree.Bucket, "a", etag, 20 << 20), new ContentTarget(Tree.Bucket, "a"));
        // The first is what the reader asks for, those behind it are read ahead.
        var requests = 0;
        bucket.Before = (_, _) =>
        {
            if (Interlocked.Increment(ref requests) >= failingRequest)
            {
                throw new InvalidOperationException("nobody foresaw this");
            }
        };
        var error = await Assert.ThrowsAsync<ContentException>(() => ReadAllAsync(content, Token));
        Assert.Contains("nobody foresaw this", error.Message, StringComparison.Ordinal);
        bucket.Before = null;
        AssertSame(Bytes(20 << 20), await ReadAllAsync(content, Token));
    }
}
