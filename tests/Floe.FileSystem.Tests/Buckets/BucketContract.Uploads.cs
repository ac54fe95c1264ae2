using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>Multipart uploads.</summary>
public abstract partial class BucketContract
{
    private const int PartBytes = 5 << 20;

    [Fact]
    public async Task CompleteUploadAsync_PartsFromMemoryAndFile_IsTheirObjectWithTheUploadsHeaders()
    {
        var content = Bytes((2 * PartBytes) + 17);
        var headers = new ObjectHeaders { Metadata = new Dictionary<string, string> { ["mine"] = "1" }, Tags = [new("kind", "data")] };
        var upload = await Bucket.CreateUploadAsync(Key("x"), headers, Token);
        using var scratch = new ScratchFolder();
        await File.WriteAllBytesAsync(scratch["file"], content, Token);
        using var file = File.OpenHandle(scratch["file"]);
        // The last first, and one of them twice.
        var last = await Bucket.UploadPartAsync(upload, 3, content.AsMemory(2 * PartBytes), Token);
        var second = await Bucket.UploadPartAsync(upload, 2, file, PartBytes, PartBytes, null, default, Token);
        await Bucket.UploadPartAsync(upload, 1, Bytes(PartBytes), Token);
        var checksum = Crc32C.Compute(content.AsSpan(0, PartBytes));
        var first = await Bucket.UploadPartAsync(upload, 1, file, 0, PartBytes, checksum, default, Token);

        Assert.Null(await Bucket.HeadAsync(Key("x"), Token));
        await HasPartsAsync(upload, first, second, last);
        Assert.Equal([upload.UploadId], await UploadsAsync());
        var etag = await Bucket.CompleteUploadAsync(upload, [first, second, last], PutCondition.IfAbsent, Token);

        var head = await Bucket.HeadAsync(Key("x"), Token);
        Assert.Equal((etag, content.Length, upload.WriteId, "1"), (head!.ETag, head.Size, head.WriteId, head.Metadata["mine"]));
        Assert.Equal([new("kind", "data")], await Bucket.GetTagsAsync(Key("x"), Token));
        await HoldsAsync("x", content);
        Assert.Empty(await UploadsAsync());
        Assert.Null(await Bucket.ListPartsAsync(upload.Key, upload.UploadId, Token));
    }

    [Fact]
    public async Task CompleteUploadAsync_ConditionThatFails_LeavesTheObjectAndTheUpload()
    {
        var version = await PutAsync("x", Text("theirs"));
        var upload = await Bucket.CreateUploadAsync(Key("x"), ObjectHeaders.Empty, Token);
        var part = await Bucket.UploadPartAsync(upload, 1, Text("mine"), Token);
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.CompleteUploadAsync(upload, [part], PutCondition.IfAbsent, Token));
        if (!Gaps.HasFlag(BucketGaps.CompletionIfMatch))
        {
            await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.CompleteUploadAsync(upload, [part], PutCondition.IfMatch(new ETag("\"other\"")), Token));
        }

        await HoldsAsync("x", Text("theirs"));
        await Bucket.CompleteUploadAsync(upload, [part], PutCondition.IfMatch(version.ETag), Token);
        await HoldsAsync("x", Text("mine"));
    }

    [Fact]
    public async Task CompleteUploadAsync_DoneBefore_IsKnownForItsOwn()
    {
        var upload = await Bucket.CreateUploadAsync(Key("x"), ObjectHeaders.Empty, Token);
        var part = await Bucket.UploadPartAsync(upload, 1, Text("mine"), Token);
        var etag = await Bucket.CompleteUploadAsync(upload, [part], PutCondition.IfAbsent, Token);
        Assert.Equal(etag, await Bucket.CompleteUploadAsync(upload, [part], PutCondition.IfAbsent, Token));
    }

    [Fact]
    public async Task AbortUploadAsync_UploadThereOrGone_LeavesNothingOfIt()
    {
        var upload = await Bucket.CreateUploadAsync(Key("x"), ObjectHeaders.Empty, Token);
        var part = await Bucket.UploadPartAsync(upload, 1, Text("text"), Token);
        await Bucket.AbortUploadAsync(upload.Key, upload.UploadId, Token);
        await Bucket.AbortUploadAsync(upload.Key, upload.UploadId, Token);
        Assert.Empty(await UploadsAsync());
        Assert.Null(await Bucket.ListPartsAsync(upload.Key, upload.UploadId, Token));
        Assert.NotNull(await ErrorAsync(() => Bucket.UploadPartAsync(upload, 2, Text("late"), Token)));
        Assert.NotNull(await ErrorAsync(() => Bucket.CompleteUploadAsync(upload, [part], PutCondition.None, Token)));
        Assert.Null(await Bucket.HeadAsync(Key("x"), Token));
    }

    [Fact]
    public async Task CopyPartAsync_RangesOfALargeObject_AreParts()
    {
        var content = Bytes(PartBytes + 100_000);
        var source = await PutAsync("sp ace+%&?#ü", content);
        var upload = await Bucket.CreateUploadAsync(Key("x"), ObjectHeaders.Empty, Token);
        var first = await Bucket.CopyPartAsync(upload, 1, source, 50_000, PartBytes, Token);
        var last = await Bucket.UploadPartAsync(upload, 2, Text("end"), Token);
        await HasPartsAsync(upload, first, last);
        await Bucket.CompleteUploadAsync(upload, [first, last], PutCondition.IfAbsent, Token);
        await HoldsAsync("x", [.. content[50_000..(50_000 + PartBytes)], .. Text("end")]);
    }

    [Fact]
    public async Task CopyPartAsync_SourceWasReplaced_IsPreconditionFailed()
    {
        LeaveOut(BucketGaps.PartCopyConditions);
        var source = await PutAsync("x", Bytes(PartBytes + 1));
        await PutAsync("x", Bytes(PartBytes + 2));
        var upload = await Bucket.CreateUploadAsync(Key("y"), ObjectHeaders.Empty, Token);
        await FailsAsync(ObjectStoreErrorKind.PreconditionFailed, () => Bucket.CopyPartAsync(upload, 1, source, 0, PartBytes, Token));
        await Bucket.AbortUploadAsync(upload.Key, upload.UploadId, Token);
    }

    private async Task HasPartsAsync(UploadTicket upload, params UploadedPart[] parts)
    {
        if (!Gaps.HasFlag(BucketGaps.UploadListing))
        {
            var found = await Bucket.ListPartsAsync(upload.Key, upload.UploadId, Token);
            Assert.Equal(parts.Select(p => (p.Number, p.ETag, p.Size)), found!.Select(p => (p.Number, p.ETag, p.Size)));
        }
    }

    private async Task<List<string>> UploadsAsync()
    {
        var found = await Bucket.ListUploadsAsync(Prefix, Token).ToListAsync(Token);
        Assert.All(found.Where(_ => !Gaps.HasFlag(BucketGaps.UploadListing)), u => Assert.InRange(TimeProvider.System.GetUtcNow() - u.Initiated, -TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(5)));
        return [.. found.Select(u => u.UploadId)];
    }
}
