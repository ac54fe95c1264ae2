using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>What the mount's client makes of answers that look whole and are not. Half a second.</summary>
public sealed class BucketFaultTests : IAsyncLifetime
{
    private S3Double _server = null!;
    private IBucketService _buckets = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private IBucketClient Bucket => _buckets.Open(S3Double.Bucket);

    public async ValueTask InitializeAsync()
    {
        _server = await S3Double.StartAsync();
        _buckets = _server.OpenBuckets(o => o with { MaxAttempts = 4 });
    }

    public async ValueTask DisposeAsync()
    {
        await _buckets.DisposeAsync();
        await _server.DisposeAsync();
    }

    /// <summary>Services skip deleted objects a page at a time. Whoever looks whether there is anything at all sees the next page.</summary>
    [Theory]
    [InlineData("/", null)]
    [InlineData(null, "a")]
    public async Task ListAsync_PagesOfNothingComeFirst_GivesTheOneThatHasKeys(string? delimiter, string? startAfter)
    {
        await Bucket.PutAsync("b", Bytes(1), ObjectHeaders.Empty, PutCondition.None, Token);
        // Tokens of the double: a key before all others.
        foreach (var token in (string[])["AQ==", "Ag=="])
        {
            _server.Faults.Add(new(S3DoubleFaultKind.Garbage)
            {
                Body = $"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>",
                Where = c => c.Query.Contains("list-type", StringComparison.Ordinal),
            });
        }

        var page = await Bucket.ListAsync("", delimiter, null, 1, Token, startAfter);
        Assert.Equal("b", Assert.Single(page.Objects).Key);
        Assert.Null(page.NextToken);
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ShortAnswer, 1)]
    [InlineData(S3DoubleFaultKind.ShortAnswer, 600_000)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 0)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 600_000)]
    public async Task ReadRangeAsync_AnswerOfFewerBytes_IsAskedForAgain(S3DoubleFaultKind kind, int afterBytes)
    {
        var version = await PutAsync(Bytes(1_000_000));
        _server.Faults.Add(new(kind, 2) { AfterBytes = afterBytes, Where = c => c.Method == "GET" });
        var whole = new byte[900_000];
        await Bucket.ReadRangeAsync(version, 50_000, whole, null, Token);
        AssertSame(Bytes(1_000_000)[50_000..950_000], whole);
        Assert.Equal(3, _server.Calls.Count(c => c.Method == "GET"));

        _server.Faults.Add(new(kind, 2) { AfterBytes = afterBytes, Where = c => c.Method == "GET" });
        var pieces = new MemoryStream();
        await Bucket.ReadRangeAsync(version, 50_000, 900_000, (at, piece) =>
        {
            Assert.Equal(50_000 + pieces.Length, at);
            pieces.Write(piece.Span);
            return ValueTask.CompletedTask;
        }, Token);
        AssertSame(whole, pieces.ToArray());
    }

    [Fact]
    public async Task ReadRangeAsync_AnswersOfFewerBytesWithoutEnd_FailsAndTakesNone()
    {
        var version = await PutAsync(Bytes(1000));
        _server.Faults.Add(new(S3DoubleFaultKind.ShortAnswer, int.MaxValue) { AfterBytes = 10, Where = c => c.Method == "GET" });
        var taken = 0;
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => Bucket.ReadRangeAsync(version, 0, new byte[1000], n => taken += n, Token));
        Assert.Equal((ObjectStoreErrorKind.Unavailable, 0), (error.Kind, taken));
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ShortAnswer)]
    [InlineData(S3DoubleFaultKind.EndsEarly)]
    [InlineData(S3DoubleFaultKind.ResetInAnswer)]
    [InlineData(S3DoubleFaultKind.CorruptAnswer)]
    public async Task GetAsync_ChangedOrMissingBytes_AreNoticedAndReadAgain(S3DoubleFaultKind kind)
    {
        await PutAsync(Bytes(50_000));
        _server.Faults.Add(new(kind) { AfterBytes = 1000 });
        AssertSame(Bytes(50_000), (await Bucket.GetAsync("x", 60_000, Token))!.Content);
        Assert.Equal(2, _server.Calls.Count(c => c.Method == "GET"));
    }

    /// <summary>An object of others may have none; then an answer whose end cannot be told from a break is not taken.</summary>
    [Fact]
    public async Task GetAsync_NoChecksumAndTheAnswerEndsEarly_IsReadAgain()
    {
        _server.Write("theirs", Bytes(50_000));
        _server.Faults.Add(new(S3DoubleFaultKind.EndsEarly) { AfterBytes = 1000 });
        AssertSame(Bytes(50_000), (await Bucket.GetAsync("theirs", 60_000, Token))!.Content);
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ShortAnswer)]
    [InlineData(S3DoubleFaultKind.EndsEarly)]
    public async Task ListAsync_AnswerBreaksOff_IsAskedForAgain(S3DoubleFaultKind kind)
    {
        await PutAsync(Bytes(1));
        _server.Faults.Add(new(kind) { AfterBytes = 200 });
        Assert.Equal("x", (await Bucket.ListAsync("", "/", null, 1000, Token)).Objects.Single().Key);
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ShortAnswer)]
    [InlineData(S3DoubleFaultKind.EndsEarly)]
    public async Task CompleteUploadAsync_AnswerBreaksOff_IsKnownForItsOwn(S3DoubleFaultKind kind)
    {
        var upload = await Bucket.CreateUploadAsync("x", ObjectHeaders.Empty, Token);
        var part = await Bucket.UploadPartAsync(upload, 1, Bytes(1000), Token);
        _server.Faults.Add(new(kind) { AfterBytes = 60 });
        var etag = await Bucket.CompleteUploadAsync(upload, [part], PutCondition.IfAbsent, Token);
        Assert.Equal(etag, (await Bucket.HeadAsync("x", Token))!.ETag);
    }

    private async Task<ObjectVersion> PutAsync(byte[] content) =>
        new(S3Double.Bucket, "x", await Bucket.PutAsync("x", content, ObjectHeaders.Empty, PutCondition.None, Token), content.Length);
}
