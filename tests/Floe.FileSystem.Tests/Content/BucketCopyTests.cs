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

    [Fact]
    public async Task CompleteUpload_CopyInPartsWhoseAnswerIsLost_IsKnownAgain()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var bucket = buckets.Open(S3Double.Bucket);
        var etag = await bucket.PutAsync("a", ContentFixture.Bytes(6 << 20), ObjectHeaders.Empty, PutCondition.None, default);
        var metadata = (await bucket.HeadAsync("a", default))!.Metadata;
        var upload = await bucket.CreateUploadAsync("b", new ObjectHeaders { Metadata = metadata }, default);
        var part = await bucket.CopyPartAsync(upload, 1, new ObjectVersion(bucket.Bucket, "a", etag, 6 << 20), 0, 6 << 20, default);
        server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer) { Where = c => c.Method == "POST" });
        await bucket.CompleteUploadAsync(upload, [part], PutCondition.IfAbsent, default);
        Assert.Equal(upload.WriteId, (await bucket.HeadAsync("b", default))!.WriteId);
    }
}
