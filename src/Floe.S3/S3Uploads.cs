using System.Globalization;
using System.Net;
using System.Security.Cryptography;

namespace Floe.S3;

/// <summary>
/// Multipart uploads. The stream is read by one task; parts go up in parallel from a fixed set of buffers. The object appears with Complete,
/// which carries the condition; whatever fails before aborts the upload, so no part is left to pay for.
/// </summary>
internal sealed class S3Uploads(S3Client client, S3ObjectStore store)
{
    private const int MaxParts = 10_000;
    private const long MinPartBytes = 8 << 20;
    private const long MaxObjectBytes = 5L << 40;

    public async Task<ETag> PutLargeAsync(
        ObjectKey key, Stream content, long maxBytes, PutCondition condition, int maxParallelParts, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxParallelParts, 1);
        var partBytes = PartBytes(key, maxBytes);
        var first = new byte[Math.Min(partBytes, maxBytes + 1)];
        var count = await content.ReadAtLeastAsync(first, first.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (count > maxBytes)
        {
            throw TooLong(key, maxBytes);
        }

        if (count < partBytes)
        {
            return await store.PutAsync(key, first.AsMemory(0, count), condition, cancellationToken).ConfigureAwait(false);
        }

        var fullKey = store.FullKey(key);
        // Complete may have been done though its answer was lost: the id tells, with a condition or without.
        var writeId = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var uploadId = await CreateAsync(fullKey, writeId, cancellationToken).ConfigureAwait(false);
        try
        {
            var parts = await UploadAsync(key, uploadId, content, first, maxBytes, maxParallelParts, cancellationToken).ConfigureAwait(false);
            return await CompleteAsync(key, uploadId, parts, condition, writeId, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await AbortAsync(fullKey, uploadId).ConfigureAwait(false);
            throw;
        }
    }

    public async Task<int> AbortStaleAsync(string fullPrefix, DateTimeOffset startedBefore, CancellationToken cancellationToken)
    {
        var aborted = 0;
        string? keyMarker = null, idMarker = null;
        do
        {
            var request = new S3Request(HttpMethod.Get, "", "s3:ListBucketMultipartUploads")
            {
                Query = S3Request.QueryOf(
                    ("uploads", ""), ("prefix", fullPrefix), ("encoding-type", "url"), ("key-marker", keyMarker), ("upload-id-marker", idMarker)),
            };
            var page = await client.SendAsync(request, async answer =>
                S3Xml.ReadUploads(await answer.ReadAllAsync(S3Xml.MaxAnswerBytes).ConfigureAwait(false) ?? throw new S3Fault("the listing is too long")),
                cancellationToken).ConfigureAwait(false);
            foreach (var (uploadKey, uploadId, _) in page.Uploads.Where(
                u => u.Initiated < startedBefore && u.Key.StartsWith(fullPrefix, StringComparison.Ordinal)))
            {
                await SendAbortAsync(uploadKey, uploadId, cancellationToken).ConfigureAwait(false);
                aborted++;
            }

            if (page.NextKeyMarker is { } next && (next, page.NextUploadIdMarker) == (keyMarker, idMarker))
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, $"{store.Url}: the listing of uploads does not move forward");
            }

            (keyMarker, idMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
        while (keyMarker is not null);
        return aborted;
    }

    /// <summary>Whole MiB, at least 8, such that 10,000 parts suffice.</summary>
    private int PartBytes(ObjectKey key, long maxBytes)
    {
        const long mebibyte = 1 << 20;
        var needed = (maxBytes + MaxParts - 1) / MaxParts;
        return maxBytes <= MaxObjectBytes
            ? (int)Math.Max(MinPartBytes, (needed + mebibyte - 1) / mebibyte * mebibyte)
            : throw store.Fail(ObjectStoreErrorKind.TooLarge, key, "S3 takes objects up to 5 TiB");
    }

    private async Task<S3Part[]> UploadAsync(
        ObjectKey key, string uploadId, Stream content, byte[] first, long maxBytes, int maxParallelParts, CancellationToken cancellationToken)
    {
        // The first failure stops the others.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var fullKey = store.FullKey(key);
        var free = new Stack<byte[]>();
        var running = new List<Task<S3Part>>();
        var parts = new List<S3Part>();
        var buffer = first;
        var count = first.Length;
        long total = count;
        try
        {
            for (var number = 1; count > 0; number++)
            {
                running.Add(UploadPartAsync(fullKey, uploadId, number, buffer.AsMemory(0, count), buffer, stop.Token));
                if (count < first.Length)
                {
                    break;
                }

                if (running.Count == maxParallelParts)
                {
                    await CollectOneAsync().ConfigureAwait(false);
                }

                buffer = free.TryPop(out var reused) ? reused : new byte[first.Length];
                count = await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, stop.Token).ConfigureAwait(false);
                total += count;
                if (total > maxBytes)
                {
                    throw TooLong(key, maxBytes);
                }
            }

            while (running.Count > 0)
            {
                await CollectOneAsync().ConfigureAwait(false);
            }
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            // The buffers are in use until every part has ended.
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        return [.. parts.OrderBy(p => p.Number)];

        async Task CollectOneAsync()
        {
            var done = await Task.WhenAny(running).ConfigureAwait(false);
            running.Remove(done);
            var part = await done.ConfigureAwait(false);
            free.Push(part.Buffer);
            parts.Add(part with { Buffer = [] });
        }
    }

    private Task<S3Part> UploadPartAsync(
        string fullKey, string uploadId, int number, ReadOnlyMemory<byte> content, byte[] buffer, CancellationToken cancellationToken)
    {
        var checksum = Crc32C.ToBase64(Crc32C.Compute(content.Span));
        var request = S3Request.With(
            new S3Request(HttpMethod.Put, fullKey, "s3:PutObject")
            {
                Query = S3Request.QueryOf(("partNumber", number.ToString(CultureInfo.InvariantCulture)), ("uploadId", uploadId)),
                Headers = [("x-amz-sdk-checksum-algorithm", "CRC32C"), ("x-amz-checksum-crc32c", checksum)],
            },
            content);
        return client.SendAsync(
            request, answer => Task.FromResult(new S3Part(number, S3ObjectStore.Need(answer.ETag), checksum) { Buffer = buffer }), cancellationToken);
    }

    private Task<string> CreateAsync(string fullKey, string writeId, CancellationToken cancellationToken)
    {
        var request = new S3Request(HttpMethod.Post, fullKey, "s3:PutObject")
        {
            Query = S3Request.QueryOf(("uploads", "")),
            Headers = [("x-amz-checksum-algorithm", "CRC32C"), .. store.WriteHeaders(writeId)],
            Body = ReadOnlyMemory<byte>.Empty,
        };
        return client.SendAsync(request, async answer =>
            S3Xml.ReadField(await AllAsync(answer).ConfigureAwait(false), "UploadId") is { Length: > 0 } id ? id : throw new S3Fault("the answer has no UploadId"),
            cancellationToken);
    }

    private async Task<ETag> CompleteAsync(
        ObjectKey key, string uploadId, S3Part[] parts, PutCondition condition, string writeId, CancellationToken cancellationToken)
    {
        var request = S3Request.With(
            new S3Request(HttpMethod.Post, store.FullKey(key), S3ObjectStore.PutAction(condition))
            {
                Query = S3Request.QueryOf(("uploadId", uploadId)),
                Headers = [.. S3ObjectStore.ConditionHeaders(condition)],
            },
            S3Xml.WriteComplete(parts)) with
        { Lane = S3Lane.Control };
        try
        {
            return await client.SendAsync(
                request,
                async answer =>
                {
                    var body = await AllAsync(answer).ConfigureAwait(false);
                    // S3 says 200 before it is done and may still fail.
                    return S3Xml.IsError(body)
                        ? throw new S3Fault(HttpStatusCode.InternalServerError, S3Xml.ReadError(body), null, answer.ServerTime, null, isHead: false)
                        : S3Xml.ReadField(body, "ETag") is { Length: > 0 } etag ? new ETag(etag) : throw new S3Fault("the answer has no ETag");
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (S3ObjectStore.IsConflict(e) || IsGone(e))
        {
            return await store.FindOwnWriteAsync(key, writeId, cancellationToken).ConfigureAwait(false)
                ?? throw (S3ObjectStore.IsConflict(e) ? store.AsConflict(key, condition, e) : e);
        }
    }

    private static bool IsGone(ObjectStoreException e) => e.InnerException is S3Fault { Code: "NoSuchUpload" };

    private static async Task<byte[]> AllAsync(S3Answer answer) =>
        await answer.ReadAllAsync(S3Xml.MaxAnswerBytes).ConfigureAwait(false) ?? throw new S3Fault("the answer is too long");

    /// <summary>Best effort and not cut short by the caller's cancellation; what fails here is found by <see cref="AbortStaleAsync"/>.</summary>
    private async Task AbortAsync(string fullKey, string uploadId)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await SendAbortAsync(fullKey, uploadId, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectStoreException or OperationCanceledException)
        {
            // The failure that led here is the one to report.
        }
    }

    private async Task SendAbortAsync(string fullKey, string uploadId, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendAsync(
                new S3Request(HttpMethod.Delete, fullKey, "s3:AbortMultipartUpload") { Query = S3Request.QueryOf(("uploadId", uploadId)) },
                _ => Task.FromResult(true),
                cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { Status: HttpStatusCode.NotFound })
        {
            // Gone already.
        }
    }

    private ObjectStoreException TooLong(ObjectKey key, long maxBytes) =>
        store.Fail(ObjectStoreErrorKind.TooLarge, key, $"it grew past {maxBytes} bytes while it was written");
}

/// <summary>An uploaded part of a multipart upload.</summary>
/// <param name="Number">From 1.</param>
internal sealed record S3Part(int Number, ETag ETag, string? ChecksumCrc32C)
{
    /// <summary>The buffer that the part was sent from, free again.</summary>
    public byte[] Buffer { get; init; } = [];
}
