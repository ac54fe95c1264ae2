using Floe.S3;
using Floe.Testing.S3;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>What the store sends, and how it mends keys, clock and region.</summary>
public sealed class S3RequestTests : IAsyncLifetime
{
    private S3Double _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _server = await S3Double.StartAsync();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task PutAsync_LargeBody_GoesUnsignedWithACrc32C()
    {
        await using var store = _server.Open();
        await store.PutAsync(new("x"), new byte[S3Request.MaxSignedPayloadBytes + 1], PutCondition.None, Token);
        var headers = Assert.Single(_server.Calls).Headers;
        Assert.Equal("UNSIGNED-PAYLOAD", headers["x-amz-content-sha256"]);
        Assert.Equal("CRC32C", headers["x-amz-sdk-checksum-algorithm"]);
        Assert.True(headers.ContainsKey("x-amz-checksum-crc32c"));
        Assert.False(headers.ContainsKey("Expect"));
        Assert.False(headers.ContainsKey("Transfer-Encoding"));
    }

    [Fact]
    public async Task PutAsync_SmallBody_IsSigned()
    {
        await using var store = _server.Open();
        await store.PutAsync(new("x"), new byte[S3Request.MaxSignedPayloadBytes], PutCondition.None, Token);
        Assert.Equal(64, Assert.Single(_server.Calls).Headers["x-amz-content-sha256"].Length);
    }

    /// <summary>A restore asks each of thousands of packs for a few KiB first; one after the other that would be most of its time.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SmallCalls_ManyAtOnce_AreAllUnderWay(bool ofFileSystem)
    {
        await using var store = _server.Open();
        await using var buckets = _server.OpenBuckets();
        _server.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Stall, int.MaxValue));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var count = 4 * store.MaxConnections;
        var calls = Enumerable.Range(0, count).Select(i => ofFileSystem
            ? buckets.Open(S3Double.Bucket).HeadAsync($"pack{i}", stop.Token)
            : store.ReadRangeAsync(new($"pack{i}"), 0, new byte[1000], stop.Token)).ToList();
        while (_server.Calls.Select(c => c.Key).Distinct().Count() < count)
        {
            Assert.DoesNotContain(calls, c => c.IsCompleted);
            await Task.Delay(5, Token);
        }

        await stop.CancelAsync();
        await Task.WhenAll(calls).ContinueWith(all => Assert.True(all.IsCanceled), TaskScheduler.Default);
    }

    [Theory]
    [InlineData(ServerSideEncryption.S3, null, "AES256")]
    [InlineData(ServerSideEncryption.Kms, "alias/k", "aws:kms")]
    public async Task Put_Encryption_IsAskedForOnEveryObject(ServerSideEncryption encryption, string? keyId, string header)
    {
        await using var store = _server.Open(change: o => o with { Encryption = encryption, KmsKeyId = keyId });
        await store.PutAsync(new("x"), new byte[1], PutCondition.None, Token);
        await store.PutLargeAsync(new("y"), new MemoryStream(new byte[9 << 20]), 9 << 20, PutCondition.None, 1, Token);
        Assert.All(
            _server.Calls.Where(c => c is { Method: "PUT", Query: "" } || c.Query == "?uploads="),
            c => Assert.Equal(
                (header, keyId),
                (c.Headers["x-amz-server-side-encryption"], c.Headers.GetValueOrDefault("x-amz-server-side-encryption-aws-kms-key-id"))));
    }

    [Theory]
    [InlineData(-3)]
    [InlineData(26)]
    public async Task AnyOperation_ClockHoursOff_TakesTheServicesTime(int hours)
    {
        await using var server = await S3Double.StartAsync(new() { ClockOffset = TimeSpan.FromHours(hours) });
        await using var store = server.Open();
        Assert.Null(await store.HeadAsync(new("x"), Token));
        await store.PutAsync(new("x"), new byte[10], PutCondition.None, Token);
        // One refusal in all: the offset is kept.
        Assert.Equal(3, server.CallCount);
    }

    [Fact]
    public async Task AnyOperation_ExpiredKeys_AreRenewedOnce()
    {
        _server.Keys = new("AKIANEW", "new", "token");
        var chain = new ChangingCredentials(new("AKIAOLD", "old", "token"), _server.Keys);
        await using var store = _server.Open(credentials: chain);
        await store.PutAsync(new("x"), new byte[10], PutCondition.None, Token);
        Assert.Equal(1, chain.Renewals);
    }

    [Fact]
    public async Task AnyOperation_ExpiredKeysAndNoOthers_IsACredentialsError()
    {
        _server.Keys = new("AKIANEW", "new", "token");
        await using var store = _server.Open(credentials: new FixedCredentials(new("AKIAOLD", "old", "token")));
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("x"), new byte[10], PutCondition.None, Token));
        Assert.Equal(ObjectStoreErrorKind.Credentials, error.Kind);
        Assert.Contains("expired", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnyOperation_BucketInAnotherRegion_IsSignedForThatRegion()
    {
        await using var server = await S3Double.StartAsync(new() { Region = "eu-west-1" });
        await using var store = server.Open(change: o => o with { Region = "us-east-1" });
        await store.PutAsync(new("x"), new byte[10], PutCondition.None, Token);
        await store.PutAsync(new("y"), new byte[10], PutCondition.None, Token);
        Assert.Equal(3, server.CallCount);
    }

    [Fact]
    public async Task AnyOperation_RegionThatIsNone_IsNotFollowed()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, 9) { Status = 301, Code = "PermanentRedirect", Xml = "<Region>evil.example.com/</Region>" });
        await using var store = _server.Open();
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("x"), new byte[10], PutCondition.None, Token));
        Assert.Equal(ObjectStoreErrorKind.Unsupported, error.Kind);
        Assert.Single(_server.Calls);
    }

    [Theory]
    [InlineData("bucket", "eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/k%20k")]
    [InlineData("buc.ket", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/buc.ket/k%20k")]
    [InlineData("bucket", "cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k%20k")]
    public void For_AwsBucket_AddressesTheRegion(string bucket, string region, string expected)
    {
        var address = S3Address.For(bucket, new ObjectStoreOptions(), region);
        Assert.Equal(expected, address.UriOf(address.PathOf("k k"), "").AbsoluteUri);
    }

    private sealed class ChangingCredentials(AccessKeys first, AccessKeys second) : ICredentialSource
    {
        public int Renewals { get; private set; }

        public ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Renewals == 0 ? first : second);

        public bool Invalidate(AccessKeys refused)
        {
            Renewals++;
            return true;
        }

        public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
    }
}
