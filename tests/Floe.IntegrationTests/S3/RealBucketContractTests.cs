using Floe.FileSystem.Tests.Buckets;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.S3;

/// <summary>The mount's client on moto. Four seconds.</summary>
[Collection(nameof(MotoFixture))]
public sealed class MotoBucketContractTests(MotoFixture moto) : BucketContract
{
    protected override string BucketName => RealS3Server.Bucket;

    protected override BucketGaps Gaps =>
        BucketGaps.CopyConditions | BucketGaps.PartCopyConditions | BucketGaps.CompletionIfMatch | BucketGaps.UploadListing;

    protected override IBucketService OpenService() => moto.Server.OpenBuckets();

    [Theory]
    [InlineData(ServerSideEncryption.S3, null, "AES256")]
    [InlineData(ServerSideEncryption.Kms, "alias/k", "aws:kms")]
    public async Task AnyWrite_Encryption_IsTheObjects(ServerSideEncryption encryption, string? keyId, string expected)
    {
        var token = TestContext.Current.CancellationToken;
        await using var buckets = moto.Server.OpenBuckets(o => o with { Encryption = encryption, KmsKeyId = keyId });
        var bucket = buckets.Open(BucketName);
        var source = new ObjectVersion(BucketName, "sse-put", await bucket.PutAsync("sse-put", "text"u8.ToArray(), ObjectHeaders.Empty, PutCondition.None, token), 4);
        await bucket.CopyAsync(source, "sse-copy", null, PutCondition.None, token);
        await bucket.CopyAsync(source, "sse-changed", new ObjectHeaders { KeepsTags = true }, PutCondition.None, token);
        var upload = await bucket.CreateUploadAsync("sse-parts", ObjectHeaders.Empty, token);
        await bucket.CompleteUploadAsync(upload, [await bucket.UploadPartAsync(upload, 1, "text"u8.ToArray(), token)], PutCondition.None, token);
        foreach (var key in (string[])["sse-put", "sse-copy", "sse-changed", "sse-parts"])
        {
            Assert.Equal(
                (key, expected, keyId),
                (key, await moto.Server.HeaderAsync(key, "x-amz-server-side-encryption", token),
                    await moto.Server.HeaderAsync(key, "x-amz-server-side-encryption-aws-kms-key-id", token)));
        }
    }
}

/// <summary>The mount's client on Ceph's gateway. Five seconds.</summary>
[Collection(nameof(RadosGatewayFixture))]
public sealed class RadosGatewayBucketContractTests(RadosGatewayFixture gateway) : BucketContract
{
    protected override string BucketName => RealS3Server.Bucket;

    protected override BucketGaps Gaps => BucketGaps.PartCopyConditions | BucketGaps.KeptTags;

    protected override IBucketService OpenService() => gateway.Server.OpenBuckets();
}
