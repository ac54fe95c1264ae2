using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>
/// Metadata that changed while an upload in parts went on, which has those of its beginning: as soon as it is an object it is copied onto itself with
/// the new ones. In parts too, since their end takes a condition on every service: what somebody else writes meanwhile is not overwritten.
/// </summary>
public sealed partial class FileContent
{
    private const int MaxParts = 10_000;

    // While such a copy is under way.
    private CancellationTokenSource? _renewal;

    /// <summary>
    /// In the gate of publications, with the object made. Fails nothing: the bytes are in the bucket, and the attributes hold in this mount and in
    /// snapshots all the same. Interrupted, it comes to nothing.
    /// </summary>
    /// <param name="changes">The change that the object is of.</param>
    /// <param name="snapshots">Those before the object was made: one that came since may name its version, which stays then.</param>
    private async Task RenewHeadersAsync(ContentTarget target, UploadSession session, long changes, int snapshots, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _store.Stopping);
        ObjectVersion made;
        lock (_lock)
        {
            // S3 copies no ranges of smaller ones.
            if (_goFirst > 0 || _target != target || _base is not { Size: > MaxUnrangedBytes } version)
            {
                return;
            }

            (made, _renewal) = (version, stop);
        }

        UploadSession? copy = null;
        try
        {
            var client = _store.Client(target.Bucket);
            var known = session.Metadata ?? (await UploadUnlessCapturedAsync(token => client.HeadAsync(target.Key, token)).ConfigureAwait(false))?.Metadata;
            if (known is null || target.Renew(known, made.Size) is not { } renewed)
            {
                return;
            }

            // It stays known as what the upload made, and as of the life that made it.
            var headers = renewed.Headers with { WriteId = session.Ticket.WriteId };
            var ticket = await UploadUnlessCapturedAsync(_ => client.CreateUploadAsync(target.Key, headers, _store.Stopping)).ConfigureAwait(false);
            copy = new UploadSession(ticket, target.Bucket);
            var parts = await CopyPartsAsync(client, ticket, made).ConfigureAwait(false);
            await UploadUnlessCapturedAsync(async _ =>
            {
                await MakeObjectAsync(
                    target, made.Size, changes, session: null, ticket.WriteId,
                    bucket => bucket.CompleteUploadAsync(ticket, parts, PutCondition.IfMatch(made.ETag), _store.Stopping)).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
            copy = null;
            if (Version?.ETag != made.ETag)
            {
                renewed.Written();
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound)
        {
            // Somebody replaced or removed it.
        }
        catch (ObjectStoreException e)
        {
            _store.NoteNotRenewed(target, e);
        }
        finally
        {
            lock (_lock)
            {
                _renewal = null;
            }

            if (copy is not null)
            {
                _store.Abandon(copy);
            }
        }

        Task<T> UploadUnlessCapturedAsync<T>(Func<CancellationToken, Task<T>> upload) => _store.UploadAsync(
            token => _store.Snapshots == snapshots ? upload(token) : throw new OperationCanceledException(), stop.Token);

        async Task<UploadedPart[]> CopyPartsAsync(IBucketClient client, UploadTicket ticket, ObjectVersion source)
        {
            var partBytes = Math.Max(_store.Options.CopyPartBytes, (source.Size + MaxParts - 1) / MaxParts);
            var parts = new UploadedPart[(int)((source.Size + partBytes - 1) / partBytes)];
            await Parallel.ForAsync(
                0, parts.Length, new ParallelOptions { MaxDegreeOfParallelism = _store.Options.MaxUploads, CancellationToken = stop.Token },
                async (i, _) => parts[i] = await UploadUnlessCapturedAsync(token => client.CopyPartAsync(
                    ticket, i + 1, source, i * partBytes, Math.Min(partBytes, source.Size - (i * partBytes)), token)).ConfigureAwait(false)).ConfigureAwait(false);
            return parts;
        }
    }
}
