using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>What the mount's client sends beside the bytes. Half a second.</summary>
public sealed class BucketRequestTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ServerSideEncryption.BucketDefault, null, null)]
    [InlineData(ServerSideEncryption.S3, null, "AES256")]
    [InlineData(ServerSideEncryption.Kms, null, "aws:kms")]
    [InlineData(ServerSideEncryption.Kms, "alias/k", "aws:kms")]
    public async Task AnyWrite_Encryption_IsAskedForWithObjectsAndNotWithParts(ServerSideEncryption encryption, string? keyId, string? header)
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets(o => o with { Encryption = encryption, KmsKeyId = keyId });
        var bucket = buckets.Open(S3Double.Bucket);
        var content = ContentBytes(6 << 20);
        var source = new ObjectVersion(bucket.Bucket, "a", await bucket.PutAsync("a", content, ObjectHeaders.Empty, PutCondition.None, Token), content.Length);
        await bucket.CopyAsync(source, "copy", null, PutCondition.None, Token);
        await bucket.CopyAsync(source, "copy", new ObjectHeaders { KeepsTags = true }, PutCondition.None, Token);
        var upload = await bucket.CreateUploadAsync("b", ObjectHeaders.Empty, Token);
        var parts = new[] { await bucket.UploadPartAsync(upload, 1, content, Token), await bucket.CopyPartAsync(upload, 2, source, 0, content.Length, Token) };
        await bucket.CompleteUploadAsync(upload, parts, PutCondition.None, Token);
        await bucket.PutTagsAsync("b", [new("a", "b")], Token);

        var makers = server.Calls.Where(c => c is { Method: "PUT", Query: "" } || c.Query == "?uploads=").ToList();
        Assert.Equal(4, makers.Count);
        Assert.All(makers, c => Assert.Equal((header, keyId), Encryption(c)));
        // S3 refuses the header elsewhere.
        Assert.All(server.Calls.Except(makers), c => Assert.Equal((null, null), Encryption(c)));
    }

    [Fact]
    public async Task AnyWrite_Tags_AreEncodedIntoTheHeaderOfObjectsAlone()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var bucket = buckets.Open(S3Double.Bucket);
        var headers = new ObjectHeaders { Tags = [new("kind", "a b&c"), new("ü", "=/+")] };
        await bucket.PutAsync("a", ContentBytes(10), headers, PutCondition.None, Token);
        var upload = await bucket.CreateUploadAsync("b", headers, Token);
        await bucket.CompleteUploadAsync(upload, [await bucket.UploadPartAsync(upload, 1, ContentBytes(10), Token)], PutCondition.None, Token);
        const string expected = "kind=a%20b%26c&%C3%BC=%3D%2F%2B";
        Assert.Equal([("a", expected), ("b", expected)], server.Calls.Where(c => c.Headers.ContainsKey("x-amz-tagging")).Select(c => (c.Key, c.Headers["x-amz-tagging"])));
    }

    [Fact]
    public async Task DeleteAsync_ManyKeys_IsOneRequest()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        await buckets.Open(S3Double.Bucket).DeleteAsync(["a", "b", "c"], Token);
        Assert.Equal(("POST", "?delete="), Assert.Single(server.Calls.Select(c => (c.Method, c.Query))));
    }

    [Fact]
    public async Task DeleteAsync_ServiceWithoutBatches_IsAskedForOneOnce()
    {
        await using var server = await S3Double.StartAsync(new() { HasBatchDelete = false });
        await using var buckets = server.OpenBuckets();
        await buckets.Open(S3Double.Bucket).DeleteAsync(["a", "b"], Token);
        await buckets.Open(S3Double.Bucket).DeleteAsync(["c", "d"], Token);
        Assert.Single(server.Calls, c => c.Method == "POST");
        Assert.Equal(["a", "b", "c", "d"], server.Calls.Where(c => c.Method == "DELETE").Select(c => c.Key).Order());
    }

    [Fact]
    public async Task DeleteAsync_ServiceRefusesABatchAsItRefusesMuch_IsAskedForTheNextAgain()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        server.Faults.Add(new(S3DoubleFaultKind.Error, 1) { Status = 413, Code = "RequestEntityTooLarge" });
        await buckets.Open(S3Double.Bucket).DeleteAsync(["a", "b"], Token);
        await buckets.Open(S3Double.Bucket).DeleteAsync(["c", "d"], Token);
        Assert.Equal(["DELETE", "DELETE", "POST", "POST"], server.Calls.Select(c => c.Method).Order());
    }

    [Theory]
    [InlineData(501, "")]
    [InlineData(405, "MethodNotAllowed")]
    [InlineData(400, "InvalidRequest", "Missing required header for this request: Content-MD5")]
    public async Task DeleteAsync_ServiceSaysThatItHasNoBatches_IsAskedForOneOnce(int status, string code, string message = "")
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = status, Code = code, Xml = $"<Message>{message}</Message>", Where = c => c.Method == "POST" });
        await buckets.Open(S3Double.Bucket).DeleteAsync(["a", "b"], Token);
        await buckets.Open(S3Double.Bucket).DeleteAsync(["c", "d"], Token);
        Assert.Single(server.Calls, c => c.Method == "POST");
    }

    [Fact]
    public async Task AnyWrite_TypeAndTheLike_AreThereAgain()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var bucket = buckets.Open(S3Double.Bucket);
        var standard = new Dictionary<string, string>
        {
            ["Cache-Control"] = "no-cache", ["Content-Disposition"] = "attachment", ["Content-Encoding"] = "gzip", ["Content-Language"] = "de",
            ["Content-Type"] = "text/html", ["Expires"] = "Thu, 01 Dec 2033 16:00:00 GMT",
        };
        var headers = new ObjectHeaders { Standard = standard };
        var source = new ObjectVersion(bucket.Bucket, "a", await bucket.PutAsync("a", ContentBytes(10), headers, PutCondition.None, Token), 10);
        await bucket.CopyAsync(source, "b", headers, PutCondition.None, Token);
        var upload = await bucket.CreateUploadAsync("c", headers, Token);
        await bucket.CompleteUploadAsync(upload, [await bucket.UploadPartAsync(upload, 1, ContentBytes(10), Token)], PutCondition.None, Token);
        foreach (var key in (string[])["a", "b", "c"])
        {
            Assert.Equal(standard, (await bucket.HeadAsync(key, Token))!.Standard);
        }
    }

    [Fact]
    public async Task PutAsync_MetadataWithManyBlanks_IsSignedAsTheServiceReadsThem()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var metadata = new Dictionary<string, string> { ["note"] = "a   b  c" };
        await buckets.Open(S3Double.Bucket).PutAsync("a", ContentBytes(10), new ObjectHeaders { Metadata = metadata }, PutCondition.None, Token);
        Assert.Equal("a   b  c", server.Calls.Single().Headers["x-amz-meta-note"]);
    }

    private static (string?, string?) Encryption(S3DoubleCall call) => (
        call.Headers.GetValueOrDefault("x-amz-server-side-encryption"), call.Headers.GetValueOrDefault("x-amz-server-side-encryption-aws-kms-key-id"));

    private static byte[] ContentBytes(int count) => Content.ContentFixture.Bytes(count);
}
