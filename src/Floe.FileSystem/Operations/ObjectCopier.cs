using System.Collections.Concurrent;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Operations;

/// <summary>Copies objects within the service: in one request while that is answered soon, in parts above.</summary>
internal sealed partial class ObjectCopier(IBucketService buckets, FileSystemOptions options, ILogger logger)
{
    private const int MaxParts = 10_000;

    // Of all mounts of this process.
    private static int s_lostTagsTold;

    private readonly ConcurrentQueue<Attempt> _failed = new();

    /// <summary>A copy that was asked for. <paramref name="WriteId"/>: null: it has its source's.</summary>
    private sealed record Attempt(ObjectVersion Source, IBucketClient Bucket, string Key, string? WriteId, ETag? Replaced);

    /// <summary>
    /// Copies an object. Nothing interrupts a request that makes the copy, which the service carries out all the same, and a copy that was made though
    /// no answer came is found: what this throws means that, as far as is known, there is none.
    /// </summary>
    /// <param name="headers">Metadata and tags of the copy (see <see cref="ObjectHeaders.KeepsTags"/>); other metadata of the source stay, as its type and the like. Null: those of the source.</param>
    /// <param name="condition">
    /// Of a copy in parts. Where one request does, services that take a condition are few, and an own copy whose answer was lost could not be told
    /// from another's: there it is the caller who looked before.
    /// </param>
    public async Task<ObjectVersion> CopyAsync(
        ObjectVersion source, IBucketClient bucket, string key, Func<ObjectHeaders>? headers, PutCondition condition, CancellationToken cancellationToken)
    {
        var inParts = source.Size > options.MaxSingleCopyBytes;
        var change = headers?.Invoke() ?? (inParts ? new ObjectHeaders { KeepsTags = true } : null);
        var written = change is null ? null : await HeadersAsync(source, change, cancellationToken).ConfigureAwait(false);
        ETag etag;
        if (written is { KeepsTags: true })
        {
            // Parts have none to keep, and Ceph's gateway keeps none where it changes metadata.
            try
            {
                var tags = await buckets.Open(source.Bucket).GetTagsAsync(source.Key, cancellationToken).ConfigureAwait(false);
                written = written with { Tags = tags, KeepsTags = false };
            }
            catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.AccessDenied or ObjectStoreErrorKind.Unsupported && source.Size <= options.MaxCopyBytes)
            {
                // Whoever may not read them, or whose service has none, has them copied along by one request.
                inParts = false;
                written = headers is null ? null : written;
            }
            catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.AccessDenied or ObjectStoreErrorKind.Unsupported)
            {
                // No request copies more at once: the bytes count for more than tags that, most likely, it does not have.
                if (Interlocked.Exchange(ref s_lostTagsTold, 1) == 0)
                {
                    LogLostTags(source.Bucket, source.Key, e.Message);
                }

                written = written with { KeepsTags = false };
            }
        }

        if (inParts)
        {
            etag = await CopyPartsAsync(source, bucket, key, written!, condition, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            etag = await CopyWholeAsync(new Attempt(source, bucket, key, written is null ? null : ObjectHeaders.NewWriteId(), condition.MustMatch), written).ConfigureAwait(false);
        }

        return new ObjectVersion(bucket.Bucket, key, etag, source.Size);
    }

    /// <summary>Keys of copies that are there by now though they seemed to have failed.</summary>
    public async Task<List<string>> FindLateAsync()
    {
        List<string> found = [];
        while (_failed.TryDequeue(out var attempt))
        {
            if (await FindAsync(attempt).ConfigureAwait(false) is not null)
            {
                found.Add(attempt.Key);
            }
        }

        return found;
    }

    private async Task<ETag> CopyWholeAsync(Attempt attempt, ObjectHeaders? headers)
    {
        try
        {
            return await attempt.Bucket.CopyAsync(
                attempt.Source, attempt.Key, headers is null ? null : headers with { WriteId = attempt.WriteId }, PutCondition.None, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            if (await FindOwnAsync(attempt).ConfigureAwait(false) is { } made)
            {
                return made;
            }

            throw;
        }
    }

    private async Task<ObjectHeaders> HeadersAsync(ObjectVersion source, ObjectHeaders change, CancellationToken cancellationToken)
    {
        var head = await buckets.Open(source.Bucket).HeadAsync(source.Key, cancellationToken).ConfigureAwait(false)
            ?? throw new ObjectStoreException(ObjectStoreErrorKind.NotFound, $"s3://{source.Bucket}/{source.Key}: it was removed meanwhile");
        var metadata = new Dictionary<string, string>(head.Metadata);
        foreach (var (name, value) in change.Metadata)
        {
            metadata[name] = value;
        }

        return change with { Metadata = metadata, Standard = head.Standard };
    }

    /// <summary>Whoever is interrupted waits for the requests that are under way: what they make would be left in the bucket.</summary>
    private async Task<ETag> CopyPartsAsync(
        ObjectVersion source, IBucketClient bucket, string key, ObjectHeaders headers, PutCondition condition, CancellationToken cancellationToken)
    {
        var partBytes = Math.Max(options.CopyPartBytes, (source.Size + MaxParts - 1) / MaxParts);
        var count = (int)((source.Size + partBytes - 1) / partBytes);
        cancellationToken.ThrowIfCancellationRequested();
        var upload = await bucket.CreateUploadAsync(key, headers, CancellationToken.None).ConfigureAwait(false);
        try
        {
            var parts = new UploadedPart[count];
            await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = options.MaxParallelCopies, CancellationToken = cancellationToken }, async (i, _) =>
                parts[i] = await bucket.CopyPartAsync(upload, i + 1, source, i * partBytes, Math.Min(partBytes, source.Size - (i * partBytes)), CancellationToken.None).ConfigureAwait(false)).ConfigureAwait(false);
            // Not every service looks at the condition of a copied part: Ceph's gateway copies whatever is there.
            if ((await buckets.Open(source.Bucket).HeadAsync(source.Key, cancellationToken).ConfigureAwait(false))?.ETag != source.ETag)
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.PreconditionFailed, $"s3://{source.Bucket}/{source.Key}: it was replaced or removed while it was copied");
            }

            return await bucket.CompleteUploadAsync(upload, parts, condition, CancellationToken.None).ConfigureAwait(false);
        }
        catch
        {
            if (await FindOwnAsync(new Attempt(source, bucket, key, upload.WriteId, condition.MustMatch)).ConfigureAwait(false) is { } made)
            {
                return made;
            }

            await AbortAsync(bucket, upload).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What a call made that had no answer; null also where the bucket does not say.</summary>
    private async Task<ETag?> FindOwnAsync(Attempt attempt)
    {
        try
        {
            if (await FindAsync(attempt).ConfigureAwait(false) is { } found)
            {
                return found;
            }
        }
        catch (ObjectStoreException)
        {
            // The caller is told of the failure before.
        }

        _failed.Enqueue(attempt);
        return null;
    }

    /// <summary>
    /// The copy, if it is there. One that has the metadata of its source is told by its ETag or, where copies get another, by its source's mark; of an
    /// object that others wrote in parts it cannot be told from theirs.
    /// </summary>
    private async Task<ETag?> FindAsync(Attempt attempt)
    {
        var (source, bucket, key, writeId, replaced) = attempt;
        if (await bucket.HeadAsync(key, CancellationToken.None).ConfigureAwait(false) is not { } found || found.ETag == replaced || found.Size != source.Size)
        {
            return null;
        }

        if (writeId is null)
        {
            if (found.ETag == source.ETag)
            {
                return found.ETag;
            }

            var original = await buckets.Open(source.Bucket).HeadAsync(source.Key, CancellationToken.None).ConfigureAwait(false);
            writeId = original?.ETag == source.ETag ? original.WriteId : null;
        }

        return writeId is not null && found.WriteId == writeId ? found.ETag : null;
    }

    [LoggerMessage(3120, LogLevel.Warning, "s3://{Bucket}/{Key} is copied without the tags that it may have, as are others above 5 GiB: {Reason}")]
    private partial void LogLostTags(string bucket, string key, string reason);

    private static async Task AbortAsync(IBucketClient bucket, UploadTicket upload)
    {
        try
        {
            await bucket.AbortUploadAsync(upload.Key, upload.UploadId, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            // The same; floe gc finds the upload.
        }
    }
}
