using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Content;

/// <summary>What a copy on the server takes over.</summary>
public sealed class BucketCopyTests
{
    [Fact]
    public async Task Copy_KeepingTags_HasTheSourcesTagsAndTheNewMetadata()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var bucket = buckets.Open(S3Double.Bucket);
        var etag = await bucket.PutAsync("a", "text"u8.ToArray(), new ObjectHeaders { Tags = [new("theirs", "kept")] }, PutCondition.None, default);
        var headers = new ObjectHeaders { Metadata = new Dictionary<string, string> { ["mine"] = "new" }, Tags = [new("mine", "not wanted")], KeepsTags = true };
        await bucket.CopyAsync(new ObjectVersion(bucket.Bucket, "a", etag, 4), "b", headers, PutCondition.None, default);
        Assert.Equal([new("theirs", "kept")], await bucket.GetTagsAsync("b", default));
        Assert.Equal("new", (await bucket.HeadAsync("b", default))!.Metadata["mine"]);
    }
}
