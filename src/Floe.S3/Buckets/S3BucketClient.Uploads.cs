using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Buckets;

/// <summary>Multipart uploads, a call at a time.</summary>
internal sealed partial class S3BucketClient
{
    public async Task<UploadTicket> CreateUploadAsync(string key, ObjectHeaders headers, CancellationToken cancellationToken)
    {
        var writeId = headers.WriteId ?? ObjectHeaders.NewWriteId();
        var request = new S3Request(HttpMethod.Post, Check(key), "s3:PutObject")
        {
            Query = S3Request.QueryOf(("uploads", "")),
            Headers = [("x-amz-checksum-algorithm", "CRC32C"), .. HeadersOf(headers, writeId)],
            Body = ReadOnlyMemory<byte>.Empty,
        };
        var uploadId = await client.SendAsync(
            request,
            async answer => S3Xml.ReadField(await AllAsync(answer).ConfigureAwait(false), "UploadId") is { Length: > 0 } id
                ? id : throw new S3Fault("the answer has no UploadId"),
            cancellationToken).ConfigureAwait(false);
        return new UploadTicket(key, uploadId, writeId);
    }

    public Task<UploadedPart> UploadPartAsync(UploadTicket upload, int number, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var checksum = Crc32C.ToBase64(Crc32C.Compute(content.Span));
        return SendPartAsync(S3Request.With(PartRequest(upload, number, checksum), content) with { Lane = S3Lane.Bulk }, number, content.Length, checksum, cancellationToken);
    }

    public Task<UploadedPart> UploadPartAsync(
        UploadTicket upload, int number, SafeFileHandle file, long offset, long count, uint? knownChecksum, CancellationToken stop, CancellationToken cancellationToken)
    {
        var range = new FileRange(file, offset, count);
        var checksum = Crc32C.ToBase64(knownChecksum ?? FileRangeContent.Checksum(range));
        return SendPartAsync(S3Request.With(PartRequest(upload, number, checksum), range) with { Stop = stop }, number, count, checksum, cancellationToken);
    }

    public Task<UploadedPart> CopyPartAsync(
        UploadTicket upload, int number, ObjectVersion source, long offset, long count, CancellationToken cancellationToken)
    {
        var request = new S3Request(HttpMethod.Put, Check(upload.Key), "s3:GetObject on the source and s3:PutObject")
        {
            Query = PartQuery(upload, number),
            Headers =
            [
                .. SourceHeaders(source),
                ("x-amz-copy-source-range", string.Create(CultureInfo.InvariantCulture, $"bytes={offset}-{offset + count - 1}")),
            ],
            Body = ReadOnlyMemory<byte>.Empty,
            Lane = S3Lane.Bulk,
        };
        return client.SendAsync(request, async answer =>
        {
            var body = await AllAsync(answer).ConfigureAwait(false);
            return S3Xml.IsError(body)
                ? throw new S3Fault(HttpStatusCode.InternalServerError, S3Xml.ReadError(body), null, answer.ServerTime, null, isHead: false)
                : S3Xml.ReadField(body, "ETag") is { Length: > 0 } etag
                    ? new UploadedPart(number, new ETag(etag), count, S3Xml.ReadField(body, "ChecksumCRC32C"))
                    : throw new S3Fault("the answer has no ETag");
        }, cancellationToken);
    }

    public async Task<ETag> CompleteUploadAsync(
        UploadTicket upload, IReadOnlyList<UploadedPart> parts, PutCondition condition, CancellationToken cancellationToken)
    {
        var request = S3Request.With(
            new S3Request(HttpMethod.Post, Check(upload.Key), S3ObjectStore.PutAction(condition))
            {
                Query = S3Request.QueryOf(("uploadId", upload.UploadId)),
                Headers = [.. S3ObjectStore.ConditionHeaders(condition)],
            },
            S3Xml.WriteComplete(parts.OrderBy(p => p.Number).Select(p => new S3Part(p.Number, p.ETag, p.ChecksumCrc32C)))) with
        { Lane = S3Lane.Control };
        try
        {
            return await client.SendAsync(request, CopyETagAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (S3ObjectStore.IsConflict(e) || e.InnerException is S3Fault { Code: "NoSuchUpload" })
        {
            return await FindOwnWriteAsync(upload.Key, upload.WriteId, cancellationToken).ConfigureAwait(false)
                ?? throw (S3ObjectStore.IsConflict(e) ? AsConflict(upload.Key, condition, e) : e);
        }
    }

    public async Task AbortUploadAsync(string key, string uploadId, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendAsync(
                new S3Request(HttpMethod.Delete, Check(key), "s3:AbortMultipartUpload") { Query = S3Request.QueryOf(("uploadId", uploadId)) },
                _ => Task.FromResult(true),
                cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { Status: HttpStatusCode.NotFound })
        {
            // Gone already.
        }
    }

    public async IAsyncEnumerable<BucketUpload> ListUploadsAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? keyMarker = null, idMarker = null;
        do
        {
            var request = new S3Request(HttpMethod.Get, "", "s3:ListBucketMultipartUploads")
            {
                Query = S3Request.QueryOf(
                    ("uploads", ""), ("prefix", prefix), ("encoding-type", "url"), ("key-marker", keyMarker), ("upload-id-marker", idMarker)),
            };
            var page = await client.SendAsync(
                request, async answer => S3Xml.ReadUploads(await AllAsync(answer).ConfigureAwait(false)), cancellationToken).ConfigureAwait(false);
            foreach (var (key, id, initiated) in page.Uploads.Where(u => u.Key.StartsWith(prefix, StringComparison.Ordinal)))
            {
                yield return new BucketUpload(key, id, initiated);
            }

            if (page.NextKeyMarker is { } next && (next, page.NextUploadIdMarker) == (keyMarker, idMarker))
            {
                throw Fail(ObjectStoreErrorKind.Unavailable, prefix, "the listing of uploads does not move forward");
            }

            (keyMarker, idMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
        while (keyMarker is not null);
    }

    public async Task<IReadOnlyList<UploadedPart>?> ListPartsAsync(string key, string uploadId, CancellationToken cancellationToken)
    {
        var all = new List<UploadedPart>();
        try
        {
            for (int? marker = 0; marker is not null;)
            {
                var request = new S3Request(HttpMethod.Get, Check(key), "s3:ListMultipartUploadParts")
                {
                    Query = S3Request.QueryOf(
                        ("uploadId", uploadId), ("part-number-marker", marker > 0 ? marker.Value.ToString(CultureInfo.InvariantCulture) : null)),
                };
                var (parts, next) = await client.SendAsync(
                    request, async answer => BucketXml.ReadParts(await AllAsync(answer).ConfigureAwait(false)), cancellationToken).ConfigureAwait(false);
                all.AddRange(parts);
                marker = next > marker ? next : null;
            }
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { Status: HttpStatusCode.NotFound })
        {
            return null;
        }

        return all;
    }

    private static string PartQuery(UploadTicket upload, int number) =>
        S3Request.QueryOf(("partNumber", number.ToString(CultureInfo.InvariantCulture)), ("uploadId", upload.UploadId));

    private S3Request PartRequest(UploadTicket upload, int number, string checksum) => new(HttpMethod.Put, Check(upload.Key), "s3:PutObject")
    {
        Query = PartQuery(upload, number),
        Headers = [("x-amz-sdk-checksum-algorithm", "CRC32C"), ("x-amz-checksum-crc32c", checksum)],
    };

    private Task<UploadedPart> SendPartAsync(S3Request request, int number, long size, string checksum, CancellationToken cancellationToken) =>
        client.SendAsync(
            request, answer => Task.FromResult(new UploadedPart(number, S3ObjectStore.Need(answer.ETag), size, checksum)), cancellationToken);
}
