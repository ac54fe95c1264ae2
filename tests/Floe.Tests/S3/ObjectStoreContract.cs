using System.Text;
using Floe.S3;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>What every store must do, whatever lies behind it. Each test gets a store with nothing in it.</summary>
public abstract class ObjectStoreContract
{
    /// <summary>Bytes of an object that is written in several parts.</summary>
    protected virtual int LargeBytes => (20 << 20) + 17;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A store of its own. The caller disposes it.</summary>
    protected abstract ValueTask<IMultipartStore> OpenAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65536)]
    [InlineData(65537)]
    [InlineData(3000001)]
    public async Task PutAsync_AnySize_IsReadBackWithSizeAndVersion(int byteCount)
    {
        await using var store = await OpenAsync();
        var key = new ObjectKey("tasks/a/x");
        var content = Bytes(byteCount);

        var etag = await store.PutAsync(key, content, PutCondition.None, Token);

        var read = await store.GetAsync(key, byteCount, Token);
        Assert.Equal(content, read!.Content);
        Assert.Equal(etag, read.ETag);
        var info = await store.HeadAsync(key, Token);
        Assert.Equal((key, byteCount, etag), (info!.Key, info.Size, info.ETag));
        Assert.InRange(info.LastModified, TimeProvider.System.GetUtcNow() - TimeSpan.FromMinutes(5), TimeProvider.System.GetUtcNow() + TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task AnyRead_MissingObject_IsNullOrNotFound()
    {
        await using var store = await OpenAsync();
        var key = new ObjectKey("no/such");
        Assert.Null(await store.HeadAsync(key, Token));
        Assert.Null(await store.GetAsync(key, 10, Token));
        await FailsAsync(ObjectStoreErrorKind.NotFound, () => store.ReadRangeAsync(key, 0, new byte[1], Token));
        await FailsAsync(ObjectStoreErrorKind.NotFound, () => store.ReadRangeAsync(key, 0, Memory<byte>.Empty, Token));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 200_000)]
    [InlineData(1, 199_999)]
    [InlineData(199_999, 1)]
    [InlineData(70_000, 70_001)]
    [InlineData(200_000, 0)]
    public async Task ReadRangeAsync_InsideTheObject_FillsTheMemory(int offset, int count)
    {
        await using var store = await OpenAsync();
        var content = Bytes(200_000);
        await store.PutAsync(new("x"), content, PutCondition.None, Token);
        var read = new byte[count];
        await store.ReadRangeAsync(new("x"), offset, read, Token);
        Assert.Equal(content[offset..(offset + count)], read);
    }

    [Theory]
    [InlineData(0, 101)]
    [InlineData(99, 2)]
    [InlineData(100, 1)]
    [InlineData(5000, 1)]
    public async Task ReadRangeAsync_PastTheEnd_IsTruncated(int offset, int count)
    {
        await using var store = await OpenAsync();
        await store.PutAsync(new("x"), Bytes(100), PutCondition.None, Token);
        await FailsAsync(ObjectStoreErrorKind.Truncated, () => store.ReadRangeAsync(new("x"), offset, new byte[count], Token));
    }

    [Fact]
    public async Task GetAsync_LargerThanAllowed_IsTooLarge()
    {
        await using var store = await OpenAsync();
        await store.PutAsync(new("x"), Bytes(101), PutCondition.None, Token);
        await FailsAsync(ObjectStoreErrorKind.TooLarge, () => store.GetAsync(new("x"), 100, Token));
    }

    [Fact]
    public async Task PutAsync_IfAbsentRace_ExactlyOneWins()
    {
        await using var store = await OpenAsync();
        var key = new ObjectKey("race/manifest.json");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => TryPutAsync(store, key, Text($"writer {i}"), PutCondition.IfAbsent)));

        var winner = Assert.Single(outcomes, o => o.ETag is not null);
        Assert.All(outcomes.Where(o => o.ETag is null), o => Assert.Equal(ObjectStoreErrorKind.PreconditionFailed, o.Error));
        var read = await store.GetAsync(key, 100, Token);
        Assert.Equal($"writer {Array.IndexOf(outcomes, winner)}", Encoding.UTF8.GetString(read!.Content));
        Assert.Equal(winner.ETag, read.ETag);
    }

    [Fact]
    public async Task PutAsync_IfMatchRace_ExactlyOneWins()
    {
        await using var store = await OpenAsync();
        var key = new ObjectKey("race/lease.json");
        var etag = await store.PutAsync(key, Text("start"), PutCondition.IfAbsent, Token);
        for (var round = 0; round < 5; round++)
        {
            var condition = PutCondition.IfMatch(etag);
            var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => TryPutAsync(store, key, Text($"{round} {i}"), condition)));
            var winner = Assert.Single(outcomes, o => o.ETag is not null);
            Assert.All(outcomes.Where(o => o.ETag is null), o => Assert.Equal(ObjectStoreErrorKind.PreconditionFailed, o.Error));
            etag = winner.ETag!.Value;
            Assert.Equal($"{round} {Array.IndexOf(outcomes, winner)}", Encoding.UTF8.GetString((await store.GetAsync(key, 100, Token))!.Content));
        }
    }

    [Fact]
    public async Task PutAsync_IfMatchCounter_LosesNoIncrement()
    {
        await using var store = await OpenAsync();
        var key = new ObjectKey("counter");
        await store.PutAsync(key, Text("0"), PutCondition.None, Token);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            for (var done = 0; done < 5;)
            {
                var read = (await store.GetAsync(key, 100, Token))!;
                var next = Text($"{int.Parse(Encoding.UTF8.GetString(read.Content)) + 1}");
                done += (await TryPutAsync(store, key, next, PutCondition.IfMatch(read.ETag))).ETag is null ? 0 : 1;
            }
        }));
        Assert.Equal("20", Encoding.UTF8.GetString((await store.GetAsync(key, 100, Token))!.Content));
    }

    [Fact]
    public async Task PutAsync_IfMatchOnMissingObject_IsPreconditionFailed()
    {
        await using var store = await OpenAsync();
        var etag = await store.PutAsync(new("x"), Text("1"), PutCondition.None, Token);
        await store.DeleteAsync([new("x")], Token);
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => store.PutAsync(new("x"), Text("2"), PutCondition.IfMatch(etag), Token));
        Assert.Null(await store.HeadAsync(new("x"), Token));
    }

    [Fact]
    public async Task PutAsync_Overwrite_ReplacesTheWholeObject()
    {
        await using var store = await OpenAsync();
        var first = await store.PutAsync(new("x"), Bytes(5000), PutCondition.None, Token);
        var second = await store.PutAsync(new("x"), Text("short"), PutCondition.None, Token);
        Assert.NotEqual(first, second);
        Assert.Equal("short", Encoding.UTF8.GetString((await store.GetAsync(new("x"), 100, Token))!.Content));
    }

    [Fact]
    public async Task ListAsync_MoreThanAPage_GivesEveryKeyOnceInByteOrder()
    {
        await using var store = await OpenAsync();
        string[] names = [.. Enumerable.Range(0, 1100).Select(i => $"p/{i:x}"), "p/y/1", "p/y.1", "p/y-1", "p/é", "p/\uFF5E", "p/\U0001F600", "p/z z+%2F&<>'\"?#"];
        await Parallel.ForEachAsync(
            names.Append("q/other"), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token },
            async (name, token) => await store.PutAsync(new(name), Text(name), PutCondition.None, token));

        var listed = await store.ListAsync(new("p/"), Token).Select(o => o.Key.Value).ToListAsync(Token);

        var expected = names.OrderBy(n => Encoding.UTF8.GetBytes(n), ByteOrder).ToList();
        Assert.Equal(expected, listed);
    }

    [Fact]
    public async Task ListAsync_PrefixInsideAName_FiltersByText()
    {
        await using var store = await OpenAsync();
        foreach (var name in (string[])["s/1", "s/10", "s/2", "t/1"])
        {
            await store.PutAsync(new(name), Text(name), PutCondition.None, Token);
        }

        Assert.Equal(["s/1", "s/10"], await store.ListAsync(new("s/1"), Token).Select(o => o.Key.Value).ToListAsync(Token));
        Assert.Equal(["s/1", "s/10", "s/2", "t/1"], await store.ListAsync(new(""), Token).Select(o => o.Key.Value).ToListAsync(Token));
        Assert.Empty(await store.ListAsync(new("nothing/"), Token).ToListAsync(Token));
        var listed = await store.ListAsync(new("s/2"), Token).SingleAsync(Token);
        Assert.Equal(await store.HeadAsync(new("s/2"), Token), listed with { LastModified = (await store.HeadAsync(new("s/2"), Token))!.LastModified });
    }

    [Fact]
    public async Task ListFoldersAsync_NestedObjects_GivesTheNextLevelOnce()
    {
        await using var store = await OpenAsync();
        foreach (var name in (string[])["tasks/b/1", "tasks/b/2", "tasks/a/x/y", "tasks/file", "other/z"])
        {
            await store.PutAsync(new(name), Text(name), PutCondition.None, Token);
        }

        Assert.Equal(["tasks/a/", "tasks/b/"], await store.ListFoldersAsync(new("tasks/"), Token).Select(f => f.Value).ToListAsync(Token));
        Assert.Equal(["other/", "tasks/"], await store.ListFoldersAsync(new(""), Token).Select(f => f.Value).ToListAsync(Token));
    }

    [Fact]
    public async Task DeleteAsync_ManyAndMissing_LeavesTheOthers()
    {
        await using var store = await OpenAsync();
        ObjectKey[] keys = [.. Enumerable.Range(0, 1005).Select(i => new ObjectKey($"d/{i}"))];
        await Parallel.ForEachAsync(
            keys.Append(new("d-stays")), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token },
            async (key, token) => await store.PutAsync(key, Text("x"), PutCondition.None, token));

        await store.DeleteAsync([.. keys, new("never/was")], Token);
        await store.DeleteAsync([keys[0]], Token);
        await store.DeleteAsync([], Token);

        Assert.Equal(["d-stays"], await store.ListAsync(new(""), Token).Select(o => o.Key.Value).ToListAsync(Token));
        Assert.Empty(await store.ListFoldersAsync(new(""), Token).ToListAsync(Token));
    }

    [Fact]
    public async Task DeleteOnceAsync_ThereOrNot_IsGone()
    {
        await using var store = await OpenAsync();
        await store.PutAsync(new("x"), Text("1"), PutCondition.None, Token);
        await store.DeleteOnceAsync(new("x"), Token);
        await store.DeleteOnceAsync(new("x"), Token);
        Assert.Null(await store.HeadAsync(new("x"), Token));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/etc/passwd")]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData("./a")]
    [InlineData("a\0b")]
    [InlineData("a\nb")]
    public async Task AnyOperation_HostileKey_IsRefused(string key)
    {
        await using var store = await OpenAsync();
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.PutAsync(new(key), Text("x"), PutCondition.None, Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.GetAsync(new(key), 1, Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.HeadAsync(new(key), Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.ReadRangeAsync(new(key), 0, new byte[1], Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.DeleteAsync([new(key)], Token));
    }

    [Fact]
    public async Task PutAsync_KeyTooLongOrNoUnicode_IsRefused()
    {
        await using var store = await OpenAsync();
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.PutAsync(new("a\uD800b"), Text("x"), PutCondition.None, Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => store.PutAsync(new(new string('k', 1025)), Text("x"), PutCondition.None, Token));
    }

    [Fact]
    public async Task PutLargeAsync_SeveralParts_IsOneObject()
    {
        await using var store = await OpenAsync();
        var content = Bytes(LargeBytes);
        var etag = await store.PutLargeAsync(new("big/one"), new MemoryStream(content), content.Length, PutCondition.IfAbsent, 3, Token);

        var info = await store.HeadAsync(new("big/one"), Token);
        Assert.Equal((content.Length, etag), (info!.Size, info.ETag));
        var read = new byte[content.Length];
        await store.ReadRangeAsync(new("big/one"), 0, read, Token);
        Assert.True(content.AsSpan().SequenceEqual(read));
    }

    [Fact]
    public async Task PutLargeAsync_ShortStream_IsOneObject()
    {
        await using var store = await OpenAsync();
        await store.PutLargeAsync(new("small"), new MemoryStream(Bytes(10)), 1 << 30, PutCondition.None, 3, Token);
        Assert.Equal(Bytes(10), (await store.GetAsync(new("small"), 10, Token))!.Content);
    }

    [Fact]
    public async Task PutLargeAsync_ObjectExists_IsPreconditionFailedAndKeepsIt()
    {
        await using var store = await OpenAsync();
        await store.PutAsync(new("big"), Text("first"), PutCondition.None, Token);
        await FailsAsync(
            ObjectStoreErrorKind.PreconditionFailed,
            () => store.PutLargeAsync(new("big"), new MemoryStream(Bytes(LargeBytes)), LargeBytes, PutCondition.IfAbsent, 2, Token));
        Assert.Equal("first", Encoding.UTF8.GetString((await store.GetAsync(new("big"), 100, Token))!.Content));
    }

    [Fact]
    public async Task PutLargeAsync_StreamLongerThanSaid_IsTooLargeAndLeavesNothing()
    {
        await using var store = await OpenAsync();
        await FailsAsync(
            ObjectStoreErrorKind.TooLarge,
            () => store.PutLargeAsync(new("big"), new MemoryStream(Bytes(LargeBytes)), LargeBytes - 1, PutCondition.None, 2, Token));
        Assert.Null(await store.HeadAsync(new("big"), Token));
        Assert.Equal(0, await store.AbortStaleUploadsAsync(new(""), DateTimeOffset.MaxValue, Token));
    }

    [Fact]
    public async Task PutLargeAsync_CancelledWhileReading_LeavesNothing()
    {
        await using var store = await OpenAsync();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var stream = new CancellingStream(Bytes(LargeBytes), LargeBytes - 1000, cancellation);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => store.PutLargeAsync(new("big"), stream, LargeBytes, PutCondition.None, 2, cancellation.Token));
        Assert.Empty(await store.ListAsync(new(""), Token).ToListAsync(Token));
        Assert.Equal(0, await store.AbortStaleUploadsAsync(new(""), DateTimeOffset.MaxValue, Token));
    }

    [Fact]
    public async Task AnyOperation_CancelledToken_Throws()
    {
        await using var store = await OpenAsync();
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.PutAsync(new("x"), Bytes(10), PutCondition.None, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.HeadAsync(new("x"), cancelled));
        Assert.Empty(await store.ListAsync(new(""), Token).ToListAsync(Token));
    }

    protected static async Task<ObjectStoreException> FailsAsync(ObjectStoreErrorKind kind, Func<Task> operation)
    {
        var error = await Assert.ThrowsAsync<ObjectStoreException>(operation);
        Assert.True(kind == error.Kind, $"expected {kind}, was {error.Kind}: {error.Message}");
        Assert.DoesNotContain('\n', error.Message);
        return error;
    }

    /// <summary>The same bytes for the same count; no two blocks alike.</summary>
    protected static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    protected static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static readonly Comparer<byte[]> ByteOrder = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));

    private static async Task<(ETag? ETag, ObjectStoreErrorKind? Error)> TryPutAsync(
        IMultipartStore store, ObjectKey key, byte[] content, PutCondition condition)
    {
        try
        {
            return (await store.PutAsync(key, content, condition, Token), null);
        }
        catch (ObjectStoreException e)
        {
            Assert.True(e.Kind == ObjectStoreErrorKind.PreconditionFailed, e.Message);
            return (null, e.Kind);
        }
    }

    private sealed class CancellingStream(byte[] content, int cancelAt, CancellationTokenSource cancellation) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position + buffer.Length > cancelAt)
            {
                cancellation.Cancel();
            }

            return cancellationToken.IsCancellationRequested
                ? ValueTask.FromCanceled<int>(cancellationToken) : base.ReadAsync(buffer, cancellationToken);
        }
    }
}
