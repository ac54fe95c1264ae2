using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>An upload whose last answer is lost.</summary>
public sealed class LostCompletionTests
{
    [Fact]
    public async Task CompleteUpload_CopyInPartsWhoseAnswerIsLost_IsKnownAgain()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var bucket = buckets.Open(S3Double.Bucket);
        var etag = await bucket.PutAsync("a", Content.ContentFixture.Bytes(6 << 20), ObjectHeaders.Empty, PutCondition.None, default);
        var metadata = (await bucket.HeadAsync("a", default))!.Metadata;
        var upload = await bucket.CreateUploadAsync("b", new ObjectHeaders { Metadata = metadata }, default);
        var part = await bucket.CopyPartAsync(upload, 1, new ObjectVersion(bucket.Bucket, "a", etag, 6 << 20), 0, 6 << 20, default);
        server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer) { Where = c => c.Method == "POST" });
        await bucket.CompleteUploadAsync(upload, [part], PutCondition.IfAbsent, default);
        Assert.Equal(upload.WriteId, (await bucket.HeadAsync("b", default))!.WriteId);
    }
}
