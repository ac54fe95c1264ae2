using Floe.S3;
using Floe.Testing.S3;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>What the S3 store makes of a service or network that misbehaves.</summary>
public sealed class S3FaultTests : IAsyncLifetime
{
    private S3Double _server = null!;
    private IMultipartStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await S3Double.StartAsync();
        _store = Open();
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData(503, "SlowDown")]
    [InlineData(500, "InternalError")]
    [InlineData(502, "")]
    [InlineData(504, "")]
    [InlineData(429, "")]
    [InlineData(400, "RequestTimeout")]
    [InlineData(409, "ConditionalRequestConflict")]
    [InlineData(400, "BadDigest")]
    [InlineData(400, "XAmzContentSHA256Mismatch")]
    public async Task PutAsync_TransientErrors_AreRetried(int status, string code)
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, 3) { Status = status, Code = code });
        await _store.PutAsync(new("x"), Bytes(100_000), PutCondition.None, Token);
        Assert.Equal(Bytes(100_000), _server.Read("p/x"));
        Assert.Equal(4, _server.Calls.Count);
    }

    [Fact]
    public async Task FailingFor_UntilAnAnswerThatIsNoFault_Grows()
    {
        Assert.Equal(TimeSpan.Zero, _store.FailingFor);
        _server.Faults.Add(new(S3DoubleFaultKind.Error, 1) { Status = 503, Code = "SlowDown" });
        await using var store = Open(o => o with { MaxAttempts = 1 });
        await FailsAsync(ObjectStoreErrorKind.Busy, () => store.PutAsync(new("x"), Bytes(10), PutCondition.None, Token));
        Assert.NotEqual(TimeSpan.Zero, store.FailingFor);
        Assert.Null(await store.HeadAsync(new("none"), Token));
        Assert.Equal(TimeSpan.Zero, store.FailingFor);
    }

    [Theory]
    [InlineData("SlowDown", ObjectStoreErrorKind.Busy)]
    [InlineData("ServiceUnavailable", ObjectStoreErrorKind.Busy)]
    [InlineData("InternalError", ObjectStoreErrorKind.Unavailable)]
    public async Task PutAsync_ErrorsWithoutEnd_FailsAfterAllTries(string code, ObjectStoreErrorKind kind)
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = kind == ObjectStoreErrorKind.Busy ? 503 : 500, Code = code });
        await using var store = Open(o => o with { MaxAttempts = 3 });
        var error = await FailsAsync(kind, () => store.PutAsync(new("x"), Bytes(10), PutCondition.None, Token));
        Assert.Contains(code, error.Message, StringComparison.Ordinal);
        Assert.Equal(3, _server.Calls.Count);
    }

    [Theory]
    [InlineData(503, ObjectStoreErrorKind.Busy)]
    [InlineData(429, ObjectStoreErrorKind.Busy)]
    [InlineData(500, ObjectStoreErrorKind.Unavailable)]
    public async Task HeadAsync_StatusWithoutACode_TellsBusyFromBroken(int status, ObjectStoreErrorKind kind)
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = status });
        await using var store = Open(o => o with { MaxAttempts = 2 });
        await FailsAsync(kind, () => store.HeadAsync(new("x"), Token));
        Assert.Equal(2, _server.Calls.Count);
    }

    [Theory]
    [InlineData(403, "AccessDenied", ObjectStoreErrorKind.AccessDenied, "s3:PutObject")]
    [InlineData(404, "NoSuchBucket", ObjectStoreErrorKind.NotFound, "no bucket 'floe-double'")]
    [InlineData(403, "SignatureDoesNotMatch", ObjectStoreErrorKind.Credentials, "AWS_SECRET_ACCESS_KEY")]
    [InlineData(403, "InvalidAccessKeyId", ObjectStoreErrorKind.Credentials, "AWS_ACCESS_KEY_ID")]
    [InlineData(501, "NotImplemented", ObjectStoreErrorKind.Unsupported, "s3:PutObject")]
    [InlineData(400, "EntityTooLarge", ObjectStoreErrorKind.TooLarge, "larger")]
    [InlineData(507, "XMinioStorageFull", ObjectStoreErrorKind.NoSpace, "space")]
    public async Task PutAsync_PermanentErrors_AreNotRetriedAndSayWhatToDo(int status, string code, ObjectStoreErrorKind kind, string advice)
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = status, Code = code });
        var error = await FailsAsync(kind, () => _store.PutAsync(new("x"), Bytes(10), PutCondition.None, Token));
        Assert.Contains(advice, error.Message, StringComparison.Ordinal);
        Assert.Single(_server.Calls);
    }

    [Fact]
    public async Task PutAsync_ResetInTheMiddle_IsSentAgainWhole()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.ResetInRequest, 2) { AfterBytes = 1 << 20 });
        await _store.PutAsync(new("x"), Bytes(6 << 20), PutCondition.None, Token);
        Assert.True(Bytes(6 << 20).AsSpan().SequenceEqual(_server.Read("p/x")));
    }

    [Fact]
    public async Task PutAsync_BytesChangedOnTheWay_AreRefusedByTheServiceAndSentAgain()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.CorruptRequest));
        await _store.PutAsync(new("x"), Bytes(1 << 20), PutCondition.None, Token);
        Assert.Equal(2, _server.Calls.Count);
        Assert.True(Bytes(1 << 20).AsSpan().SequenceEqual(_server.Read("p/x")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PutAsync_AnswerOfConditionalPutLost_IsKnownForItsOwn(bool ifMatch)
    {
        var condition = ifMatch ? PutCondition.IfMatch(await _store.PutAsync(new("x"), Bytes(5), PutCondition.None, Token)) : PutCondition.IfAbsent;
        _server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer, 1));
        var etag = await _store.PutAsync(new("x"), Bytes(20), condition, Token);
        Assert.Equal(etag, (await _store.HeadAsync(new("x"), Token))!.ETag);
        Assert.Equal(Bytes(20), _server.Read("p/x"));
    }

    [Fact]
    public async Task PutAsync_AnswerLostAndSomebodyElseWasFirst_IsPreconditionFailed()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.ResetInRequest));
        _server.Write("p/x", Bytes(3));
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => _store.PutAsync(new("x"), Bytes(3), PutCondition.IfAbsent, Token));
    }

    [Fact]
    public async Task PutLargeAsync_AnswerOfCompleteLost_IsKnownForItsOwn()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer) { Where = c => c.Method == "POST" && c.Query.Contains("uploadId", StringComparison.Ordinal) });
        await _store.PutLargeAsync(new("x"), new MemoryStream(Bytes(9 << 20)), 9 << 20, PutCondition.None, 2, Token);
        Assert.True(Bytes(9 << 20).AsSpan().SequenceEqual(_server.Read("p/x")));
        Assert.Equal(0, _server.OpenUploadCount);
    }

    [Fact]
    public async Task PutLargeAsync_CompleteSays200AndFails_IsRetried()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Garbage)
        {
            Where = c => c.Method == "POST" && c.Query.Contains("uploadId", StringComparison.Ordinal),
            Body = "<Error><Code>InternalError</Code></Error>",
        });
        await _store.PutLargeAsync(new("x"), new MemoryStream(Bytes(9 << 20)), 9 << 20, PutCondition.None, 2, Token);
        Assert.Equal(9 << 20, _server.Read("p/x")!.Length);
    }

    [Fact]
    public async Task PutLargeAsync_PartRefused_AbortsTheUpload()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, 100)
        {
            Status = 403,
            Code = "AccessDenied",
            Where = c => c.Query.Contains("partNumber=2", StringComparison.Ordinal),
        });
        await FailsAsync(
            ObjectStoreErrorKind.AccessDenied,
            () => _store.PutLargeAsync(new("x"), new MemoryStream(Bytes(30 << 20)), 30 << 20, PutCondition.None, 2, Token));
        Assert.Equal(0, _server.OpenUploadCount);
        Assert.Null(_server.Read("p/x"));
    }

    [Fact]
    public async Task AbortStaleUploadsAsync_UploadsOfTheDead_AreAborted()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, 100) { Status = 403, Code = "AccessDenied", Where = c => c.Method is "DELETE" || c.Query.Contains("partNumber") });
        for (var i = 0; i < 3; i++)
        {
            await FailsAsync(
                ObjectStoreErrorKind.AccessDenied,
                () => _store.PutLargeAsync(new($"u/{i}"), new MemoryStream(Bytes(9 << 20)), 9 << 20, PutCondition.None, 1, Token));
        }

        Assert.Equal(3, _server.OpenUploadCount);
        _server.Faults.Clear();
        await using var other = Open();
        Assert.Equal(0, await other.AbortStaleUploadsAsync(new("u/"), DateTimeOffset.UnixEpoch, Token));
        Assert.Equal(3, await other.AbortStaleUploadsAsync(new("u/"), DateTimeOffset.MaxValue, Token));
        Assert.Equal(0, _server.OpenUploadCount);
    }

    [Fact]
    public async Task ReadRangeAsync_ResetInTheMiddle_GoesOnWhereItBrokeOff()
    {
        await _store.PutAsync(new("x"), Bytes(3 << 20), PutCondition.None, Token);
        _server.Faults.Add(new(S3DoubleFaultKind.ResetInAnswer, 2) { AfterBytes = 1 << 20 });
        var read = new byte[(3 << 20) - 5];
        await _store.ReadRangeAsync(new("x"), 5, read, Token);
        Assert.True(Bytes(3 << 20).AsSpan(5).SequenceEqual(read));
        var gets = _server.Calls.Where(c => c.Method == "GET").ToList();
        Assert.Equal(3, gets.Count);
        Assert.All(gets.Skip(1), c => Assert.True(c.Headers.ContainsKey("If-Match")));
        Assert.NotEqual("bytes=5-3145727", gets[1].Headers["Range"]);
    }

    [Fact]
    public async Task ReadRangeAsync_ReplacedWhileItIsRead_NeverMixesVersions()
    {
        await _store.PutAsync(new("x"), Bytes(3 << 20), PutCondition.None, Token);
        _server.Faults.Add(new(S3DoubleFaultKind.ResetInAnswer) { AfterBytes = 1 << 20 });
        _server.Faults.Add(new(S3DoubleFaultKind.Error)
        {
            Where = call =>
            {
                // The second request for the rest: by now there is another object of the same size.
                _server.Write("p/x", new byte[3 << 20]);
                return false;
            },
        });
        await FailsAsync(ObjectStoreErrorKind.Corrupt, () => _store.ReadRangeAsync(new("x"), 0, new byte[3 << 20], Token));
    }

    [Fact]
    public async Task ReadRangeAsync_WrongContentRange_IsRetried()
    {
        await _store.PutAsync(new("x"), Bytes(1000), PutCondition.None, Token);
        _server.Faults.Add(new(S3DoubleFaultKind.WrongContentRange));
        var read = new byte[100];
        await _store.ReadRangeAsync(new("x"), 7, read, Token);
        Assert.Equal(Bytes(1000)[7..107], read);
        Assert.Equal(2, _server.Calls.Count(c => c.Method == "GET"));
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ShortAnswer, 1)]
    [InlineData(S3DoubleFaultKind.ShortAnswer, 60_000)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 0)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 60_000)]
    public async Task ReadRangeAsync_AnswerOfFewerBytes_IsAskedForAgain(S3DoubleFaultKind kind, int afterBytes)
    {
        await _store.PutAsync(new("x"), Bytes(100_000), PutCondition.None, Token);
        _server.Faults.Add(new(kind, 2) { AfterBytes = afterBytes });
        var read = new byte[90_000];
        await _store.ReadRangeAsync(new("x"), 7, read, Token);
        Assert.Equal(Bytes(100_000)[7..90_007], read);
        Assert.Equal(3, _server.Calls.Count(c => c.Method == "GET"));
    }

    [Fact]
    public async Task ReadRangeAsync_AnswersOfFewerBytesWithoutEnd_IsUnavailableAndNotTruncated()
    {
        await _store.PutAsync(new("x"), Bytes(1000), PutCondition.None, Token);
        _server.Faults.Add(new(S3DoubleFaultKind.ShortAnswer, int.MaxValue) { AfterBytes = 10 });
        await FailsAsync(ObjectStoreErrorKind.Unavailable, () => _store.ReadRangeAsync(new("x"), 0, new byte[1000], Token));
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ShortAnswer)]
    [InlineData(S3DoubleFaultKind.EndsEarly)]
    public async Task ListAsync_AnswerBreaksOff_IsAskedForAgain(S3DoubleFaultKind kind)
    {
        await _store.PutAsync(new("x"), Bytes(10), PutCondition.None, Token);
        _server.Faults.Add(new(kind) { AfterBytes = 200 });
        Assert.Equal("x", (await _store.ListAsync(new(""), Token).SingleAsync(Token)).Key.Value);
    }

    [Fact]
    public async Task GetAsync_ChangedBytes_AreNoticedAndReadAgain()
    {
        await _store.PutAsync(new("x"), Bytes(1000), PutCondition.None, Token);
        _server.Faults.Add(new(S3DoubleFaultKind.CorruptAnswer));
        Assert.Equal(Bytes(1000), (await _store.GetAsync(new("x"), 1000, Token))!.Content);
        Assert.Equal(2, _server.Calls.Count(c => c.Method == "GET"));
    }

    [Fact]
    public async Task GetAsync_ChangedBytesWithoutEnd_IsCorrupt()
    {
        await _store.PutAsync(new("x"), Bytes(1000), PutCondition.None, Token);
        _server.Faults.Add(new(S3DoubleFaultKind.CorruptAnswer, int.MaxValue));
        await FailsAsync(ObjectStoreErrorKind.Corrupt, () => _store.GetAsync(new("x"), 1000, Token));
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.ResetInAnswer)]
    [InlineData(S3DoubleFaultKind.ShortAnswer)]
    [InlineData(S3DoubleFaultKind.EndsEarly)]
    public async Task GetAsync_TruncatedAnswer_IsReadAgain(S3DoubleFaultKind kind)
    {
        await _store.PutAsync(new("x"), Bytes(50_000), PutCondition.None, Token);
        _server.Faults.Add(new(kind) { AfterBytes = 1000 });
        Assert.Equal(Bytes(50_000), (await _store.GetAsync(new("x"), 50_000, Token))!.Content);
    }

    [Fact]
    public async Task GetAsync_NoChecksumAndTheAnswerEndsEarly_IsReadAgain()
    {
        _server.Write("p/theirs", Bytes(50_000));
        _server.Faults.Add(new(S3DoubleFaultKind.EndsEarly) { AfterBytes = 1000 });
        Assert.Equal(Bytes(50_000), (await _store.GetAsync(new("theirs"), 50_000, Token))!.Content);
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.Stall)]
    [InlineData(S3DoubleFaultKind.StallInAnswer)]
    public async Task ReadRangeAsync_NoProgress_IsGivenUpAndRetried(S3DoubleFaultKind kind)
    {
        await using var store = Open(o => o with { NoProgressTimeout = TimeSpan.FromMilliseconds(300) });
        await store.PutAsync(new("x"), Bytes(100_000), PutCondition.None, Token);
        _server.Faults.Add(new(kind) { AfterBytes = 10_000 });
        var read = new byte[100_000];
        await store.ReadRangeAsync(new("x"), 0, read, Token);
        Assert.Equal(Bytes(100_000), read);
    }

    [Fact]
    public async Task AnyOperation_CancelledWhileServerStalls_EndsWithTheCallersToken()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Stall));
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var pending = _store.HeadAsync(new("x"), cancellation.Token);
        await cancellation.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending);
        Assert.Equal(cancellation.Token, error.CancellationToken);
    }

    [Fact]
    public async Task AnyOperation_NobodyListens_IsUnavailableAndNamesTheEndpoint()
    {
        await using var store = ObjectStores.Open(
            StoreUrl.TryParse("s3://bucket", out _)!,
            new ObjectStoreOptions { Endpoint = new Uri("http://127.0.0.1:1"), MaxAttempts = 2, MaxBackoff = TimeSpan.FromMilliseconds(1) },
            credentials: new FixedCredentials(new("a", "b")));
        var error = await FailsAsync(ObjectStoreErrorKind.Unavailable, () => store.HeadAsync(new("x"), Token));
        Assert.Contains("127.0.0.1:1", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>")]
    [InlineData("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")]
    [InlineData("<ListBucketResult><Contents><Key>elsewhere/x</Key><Size>1</Size><ETag>e</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>")]
    [InlineData("<ListBucketResult><Contents><Key>p/x</Key></Contents></ListBucketResult>")]
    [InlineData("<ListBucketResult><Contents><Key>p/x</Key><Size>-1</Size><ETag>e</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>")]
    [InlineData("<html>proxy</html>")]
    [InlineData("not xml")]
    [InlineData("")]
    public async Task ListAsync_HostileAnswer_IsAnErrorAndNotAListing(string body)
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Garbage, int.MaxValue) { Body = body });
        await FailsAsync(ObjectStoreErrorKind.Unavailable, async () => await _store.ListAsync(new(""), Token).ToListAsync(Token));
    }

    [Fact]
    public async Task ListAsync_SamePageForEver_EndsWithAnError()
    {
        const string page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>p/x</Key>"
            + "<Size>1</Size><ETag>e</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>";
        _server.Faults.Add(new(S3DoubleFaultKind.Garbage, int.MaxValue) { Body = page });
        await FailsAsync(ObjectStoreErrorKind.Unavailable, async () => await _store.ListAsync(new(""), Token).ToListAsync(Token));
    }

    [Fact]
    public async Task DeleteAsync_ServiceWithoutBatches_DeletesOneByOne()
    {
        await using var server = await S3Double.StartAsync(new() { HasBatchDelete = false });
        await using var store = server.Open("p");
        ObjectKey[] keys = [new("a"), new("b"), new("c")];
        foreach (var key in keys)
        {
            await store.PutAsync(key, Bytes(1), PutCondition.None, Token);
        }

        await store.DeleteAsync(keys, Token);
        Assert.Empty(await store.ListAsync(new(""), Token).ToListAsync(Token));
    }

    [Fact]
    public async Task DeleteAsync_SomeKeysRefused_IsAccessDenied()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Garbage) { Body = "<DeleteResult><Error><Key>p/a</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>" });
        var error = await FailsAsync(ObjectStoreErrorKind.AccessDenied, () => _store.DeleteAsync([new("a"), new("b")], Token));
        Assert.Contains("s3:DeleteObject", error.Message, StringComparison.Ordinal);
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private static async Task<ObjectStoreException> FailsAsync(ObjectStoreErrorKind kind, Func<Task> operation)
    {
        var error = await Assert.ThrowsAsync<ObjectStoreException>(operation);
        Assert.True(kind == error.Kind, $"expected {kind}, was {error.Kind}: {error.Message}");
        return error;
    }

    private IMultipartStore Open(Func<ObjectStoreOptions, ObjectStoreOptions>? change = null) => _server.Open("p", change);
}
