using System.Text;
using Floe.S3;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>What a service is known to lack: the contract leaves it out, and the mount does without.</summary>
[Flags]
public enum BucketGaps
{
    None = 0,
    /// <summary>A copy goes ahead whatever version the source has.</summary>
    CopyConditions = 1,
    /// <summary>So does the copy of a part.</summary>
    PartCopyConditions = 2,
    /// <summary>A copy whose metadata are new has no tags of its source.</summary>
    KeptTags = 4,
    /// <summary>The completion of an upload knows no If-Match.</summary>
    CompletionIfMatch = 8,
    /// <summary>Uploads and their parts are not listed as S3 does it.</summary>
    UploadListing = 16,
}

/// <summary>What every bucket must do that a mount works on, whatever lies behind it. Each test has keys of its own.</summary>
public abstract partial class BucketContract : IAsyncDisposable
{
    private static readonly Comparer<string> s_byteOrder =
        Comparer<string>.Create((a, b) => Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b)));

    private IBucketService? _service;
    private IBucketClient? _bucket;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Below which a test's keys lie, with its slash.</summary>
    private string Prefix { get; } = $"t/{Guid.NewGuid():n}/";

    private IBucketClient Bucket => _bucket ??= (_service ??= OpenService()).Open(BucketName);

    protected abstract string BucketName { get; }

    protected virtual BucketGaps Gaps => BucketGaps.None;

    /// <summary>A service that has the bucket. The contract disposes it.</summary>
    protected abstract IBucketService OpenService();

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_service is not null)
        {
            await _service.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_537)]
    [InlineData(3_000_001)]
    public async Task PutAsync_AnySize_IsReadBackWithVersionAndMetadata(int byteCount)
    {
        var headers = new ObjectHeaders { WriteId = "0123", Metadata = new Dictionary<string, string> { ["file-mode"] = "0644", ["text"] = "a b, c=\"d\";+%" } };
        var etag = await Bucket.PutAsync(Key("x"), Bytes(byteCount), headers, PutCondition.None, Token);

        var head = await Bucket.HeadAsync(Key("x"), Token);
        Assert.Equal((Key("x"), byteCount, etag, "0123"), (head!.Key, head.Size, head.ETag, head.WriteId));
        Assert.Equal(("0644", "a b, c=\"d\";+%"), (head.Metadata["file-mode"], head.Metadata["text"]));
        Assert.InRange(head.LastModified, TimeProvider.System.GetUtcNow() - TimeSpan.FromMinutes(5), TimeProvider.System.GetUtcNow() + TimeSpan.FromMinutes(5));
        var read = await Bucket.GetAsync(Key("x"), byteCount, Token);
        Assert.True(Bytes(byteCount).AsSpan().SequenceEqual(read!.Content));
        Assert.Equal(etag, read.ETag);
        if (byteCount > 0)
        {
            await FailsAsync(ObjectStoreErrorKind.TooLarge, () => Bucket.GetAsync(Key("x"), byteCount - 1, Token));
        }
    }

    [Fact]
    public async Task AnyRead_MissingObject_IsNullOrNotFound()
    {
        Assert.Null(await Bucket.HeadAsync(Key("no"), Token));
        Assert.Null(await Bucket.GetAsync(Key("no"), 10, Token));
        await FailsAsync(ObjectStoreErrorKind.NotFound, () => Bucket.GetTagsAsync(Key("no"), Token));
        await FailsAsync(ObjectStoreErrorKind.NotFound, () => Bucket.PutTagsAsync(Key("no"), [new("a", "b")], Token));
        var version = new ObjectVersion(BucketName, Key("no"), new ETag("\"none\""), 10);
        ObjectStoreErrorKind?[] either = [ObjectStoreErrorKind.NotFound, ObjectStoreErrorKind.PreconditionFailed];
        Assert.Contains(await ErrorAsync(() => Bucket.ReadRangeAsync(version, 0, new byte[1], null, Token)), either);
        Assert.Contains(await ErrorAsync(() => Bucket.CopyAsync(version, Key("y"), null, PutCondition.None, Token)), either);
    }

    [Fact]
    public async Task ExistsAsync_BucketsThatAreThereAndNot_TellsThem()
    {
        Assert.True(await Bucket.ExistsAsync(Token));
        Assert.False(await _service!.Open("no-such-bucket-here").ExistsAsync(Token));
        Assert.Contains(await _service.ListBucketsAsync(Token), b => b.Name == BucketName);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 700_000)]
    [InlineData(699_999, 1)]
    [InlineData(70_000, 600_001)]
    public async Task ReadRangeAsync_InsideTheVersion_GivesItsBytesEachOnceAndInOrder(int offset, int count)
    {
        var version = await PutAsync("x", Bytes(700_000));
        var expected = Bytes(700_000)[offset..(offset + count)];
        var whole = new byte[count];
        var told = 0;
        await Bucket.ReadRangeAsync(version, offset, whole, n => told += n, Token);
        Assert.True(expected.AsSpan().SequenceEqual(whole));
        Assert.Equal(count, told);

        var pieces = new MemoryStream();
        await Bucket.ReadRangeAsync(version, offset, count, (at, piece) =>
        {
            Assert.Equal(offset + pieces.Length, at);
            pieces.Write(piece.Span);
            return ValueTask.CompletedTask;
        }, Token);
        Assert.True(expected.AsSpan().SequenceEqual(pieces.ToArray()));
    }

    [Fact]
    public async Task ReadRangeAsync_VersionThatWasReplaced_IsPreconditionFailed()
    {
        var version = await PutAsync("x", Bytes(1000));
        await PutAsync("x", Bytes(1001)[..1000]);
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.ReadRangeAsync(version, 0, new byte[10], null, Token));
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.ReadRangeAsync(version, 0, 10, (_, _) => ValueTask.CompletedTask, Token));
    }

    [Fact]
    public async Task PutAsync_Conditions_HoldUnderARace()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => ErrorAsync(() => Bucket.PutAsync(Key("x"), Text($"{i}"), ObjectHeaders.Empty, PutCondition.IfAbsent, Token))));
        Assert.Single(outcomes, o => o is null);
        Assert.Equal(7, outcomes.Count(o => o == ObjectStoreErrorKind.PreconditionFailed));
        var first = (await Bucket.HeadAsync(Key("x"), Token))!.ETag;
        outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => ErrorAsync(() => Bucket.PutAsync(Key("x"), Text($"new {i}"), ObjectHeaders.Empty, PutCondition.IfMatch(first), Token))));
        Assert.Single(outcomes, o => o is null);
        Assert.Equal(7, outcomes.Count(o => o == ObjectStoreErrorKind.PreconditionFailed));
        await Bucket.DeleteAsync([Key("x")], Token);
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.PutAsync(Key("x"), Text("late"), ObjectHeaders.Empty, PutCondition.IfMatch(first), Token));
        Assert.Null(await Bucket.HeadAsync(Key("x"), Token));
    }

    [Fact]
    public async Task PutAsync_WhatCannotTravel_IsRefused()
    {
        var metadata = new ObjectHeaders { Metadata = new Dictionary<string, string> { ["name"] = "ü" } };
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => Bucket.PutAsync(Key("x"), Text(""), metadata, PutCondition.None, Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => Bucket.PutAsync(Key("a\nb"), Text(""), ObjectHeaders.Empty, PutCondition.None, Token));
        await FailsAsync(ObjectStoreErrorKind.Unsupported, () => Bucket.HeadAsync(new string('k', 1025), Token));
        Assert.Empty((await Bucket.ListAsync(Prefix, null, null, 1000, Token)).Objects);
    }

    [Fact]
    public async Task ListAsync_KeysOfEveryKind_ComeOnceInByteOrderWhateverThePage()
    {
        string[] names = ["dir/", "dir/a", "dir.x", "dir-x", "dir//b", "e/f/g", "é", "～", "😀", "z z+%2F&<>'\"?#", "n1", "n10", "n2"];
        await Parallel.ForEachAsync(names, Token, async (name, token) =>
            await Bucket.PutAsync(Key(name), Text(name), ObjectHeaders.Empty, PutCondition.None, token));
        foreach (var pageEntries in (int[])[1, 3, 1000])
        {
            Assert.Equal(names.Order(s_byteOrder), await ListAsync("", null, pageEntries));
            Assert.Equal(((string[])["dir/", "dir-x", "dir.x", "e/", "n1", "n10", "n2", "z z+%2F&<>'\"?#", "é", "～", "😀"]).Order(s_byteOrder), await ListAsync("", "/", pageEntries));
            // The prefix itself, and what lies below an empty piece.
            Assert.Equal(["dir/", "dir//", "dir/a"], await ListAsync("dir/", "/", pageEntries));
        }

        Assert.Equal(["n1", "n10"], await ListAsync("n1", null, 1000));
        Assert.Equal(["n10", "n2", "z z+%2F&<>'\"?#", "é", "～", "😀"], await ListAsync("", "/", 2, startAfter: "n1"));
        Assert.Empty(await ListAsync("nothing/", "/", 1000));
        var listed = (await Bucket.ListAsync(Key("n2"), "/", null, 1000, Token)).Objects.Single();
        var head = await Bucket.HeadAsync(Key("n2"), Token);
        Assert.Equal((head!.Key, head.Size, head.ETag), (listed.Key, listed.Size, listed.ETag));
    }

    [Fact]
    public async Task DeleteAsync_ManyAndMissing_LeavesTheOthers()
    {
        string[] keys = [.. Enumerable.Range(0, 30).Select(i => Key($"d/{i}"))];
        await Parallel.ForEachAsync(
            keys.Append(Key("d-stays")), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token },
            async (key, token) => await Bucket.PutAsync(key, Text("x"), ObjectHeaders.Empty, PutCondition.None, token));
        await Bucket.DeleteAsync([.. keys, Key("never-was"), Key("d//")], Token);
        await Bucket.DeleteAsync([keys[0]], Token);
        await Bucket.DeleteAsync([], Token);
        Assert.Equal(["d-stays"], await ListAsync("", null, 1000));
    }

    [Fact]
    public async Task CopyAsync_WithoutHeaders_HasThoseOfItsSource()
    {
        var source = await PutAsync("sp ace+%&?#ü", Text("text"), new ObjectHeaders { Metadata = new Dictionary<string, string> { ["theirs"] = "1" }, Tags = [new("kind", "data")] });
        var etag = await Bucket.CopyAsync(source, Key("copy"), null, PutCondition.None, Token);
        var copy = await Bucket.HeadAsync(Key("copy"), Token);
        Assert.Equal((etag, 4, "1"), (copy!.ETag, copy.Size, copy.Metadata["theirs"]));
        Assert.Equal([new("kind", "data")], await Bucket.GetTagsAsync(Key("copy"), Token));
        await HoldsAsync("copy", Text("text"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CopyAsync_WithHeaders_HasThemAndTheTagsThatWereAskedFor(bool keepsTags)
    {
        var source = await PutAsync("x", Text("text"), new ObjectHeaders { Metadata = new Dictionary<string, string> { ["theirs"] = "1" }, Tags = [new("kind", "data")] });
        var headers = new ObjectHeaders { WriteId = "77", Metadata = new Dictionary<string, string> { ["mine"] = "2" }, Tags = [new("mine", "tag")], KeepsTags = keepsTags };
        await Bucket.CopyAsync(source, Key("copy"), headers, PutCondition.None, Token);
        KeyValuePair<string, string>[] kept = Gaps.HasFlag(BucketGaps.KeptTags) ? [] : [new("kind", "data")];
        var copy = await Bucket.HeadAsync(Key("copy"), Token);
        Assert.Equal(("2", "77"), (copy!.Metadata["mine"], copy.WriteId));
        Assert.False(copy.Metadata.ContainsKey("theirs"));
        Assert.Equal(keepsTags ? kept : [new("mine", "tag")], await Bucket.GetTagsAsync(Key("copy"), Token));
    }

    [Fact]
    public async Task CopyAsync_SourceWasReplaced_IsPreconditionFailed()
    {
        LeaveOut(BucketGaps.CopyConditions);
        var source = await PutAsync("x", Text("text"));
        await PutAsync("x", Text("other"));
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.CopyAsync(source, Key("copy"), null, PutCondition.None, Token));
        Assert.Null(await Bucket.HeadAsync(Key("copy"), Token));
    }

    [Fact]
    public async Task PutTagsAsync_AnyText_ReplacesWhatWasThere()
    {
        KeyValuePair<string, string>[] first = [new("kind", "a b+c"), new("ü/x:y", "=@-_.")];
        await PutAsync("x", Text("text"), new ObjectHeaders { Tags = first });
        Assert.Equal(first.OrderBy(t => t.Key), (await Bucket.GetTagsAsync(Key("x"), Token)).OrderBy(t => t.Key));
        await Bucket.PutTagsAsync(Key("x"), [new("only", "")], Token);
        Assert.Equal([new("only", "")], await Bucket.GetTagsAsync(Key("x"), Token));
        await Bucket.PutAsync(Key("x"), Text("anew"), ObjectHeaders.Empty, PutCondition.None, Token);
        Assert.Empty(await Bucket.GetTagsAsync(Key("x"), Token));
    }

    /// <summary>A service without it has its own way round.</summary>
    private void LeaveOut(BucketGaps gap) => Assert.SkipWhen(Gaps.HasFlag(gap), $"this service lacks {gap}");

    private static async Task<ObjectStoreErrorKind?> ErrorAsync(Func<Task> operation)
    {
        try
        {
            await operation();
            return null;
        }
        catch (ObjectStoreException e)
        {
            return e.Kind;
        }
    }

    private static async Task FailsAsync(ObjectStoreErrorKind kind, Func<Task> operation)
    {
        var error = await Assert.ThrowsAsync<ObjectStoreException>(operation);
        Assert.True(kind == error.Kind, $"expected {kind}, was {error.Kind}: {error.Message}");
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private string Key(string name) => Prefix + name;

    private async Task<ObjectVersion> PutAsync(string name, byte[] content, ObjectHeaders? headers = null) =>
        new(BucketName, Key(name), await Bucket.PutAsync(Key(name), content, headers ?? ObjectHeaders.Empty, PutCondition.None, Token), content.Length);

    private async Task HoldsAsync(string name, byte[] expected)
    {
        var content = (await Bucket.GetAsync(Key(name), expected.Length, Token))!.Content;
        Assert.True(expected.AsSpan().SequenceEqual(content));
    }

    /// <summary>Keys and prefixes of all pages in the order in which they come, a page's merged; without the test's prefix.</summary>
    private async Task<List<string>> ListAsync(string below, string? delimiter, int pageEntries, string? startAfter = null)
    {
        var all = new List<string>();
        string? token = null;
        do
        {
            var page = await Bucket.ListAsync(Key(below), delimiter, token, pageEntries, Token, token is null && startAfter is not null ? Key(startAfter) : null);
            Assert.InRange(page.Objects.Count + page.Prefixes.Count, 0, pageEntries);
            all.AddRange(page.Objects.Select(o => o.Key).Concat(page.Prefixes).Order(s_byteOrder).Select(k => k[Prefix.Length..]));
            token = page.NextToken;
        }
        while (token is not null);
        return all;
    }
}
