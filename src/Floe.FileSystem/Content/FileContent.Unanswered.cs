using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>
/// Calls that were to make the object and failed without an answer to each of their tries. One may have got through all the same: then what stands in
/// the way of the next publication is the file's own write, not somebody else's.
/// </summary>
public sealed partial class FileContent
{
    /// <summary>A call that fails takes half a minute, as a rule. Of more than so many the first could get through, which stands in the way of all others.</summary>
    private const int MaxUnanswered = 64;

    private readonly List<Unanswered> _unanswered = [];

    // Ends, never with an error, with the call that makes the object and is on its way.
    private Task _beingMade = Task.CompletedTask;

    private sealed class Unanswered(string writeId, ContentTarget target, long changes, UploadSession? session, long capLimit)
    {
        public string WriteId => writeId;

        public ContentTarget Target => target;

        /// <summary>The change that was the last of what it wrote.</summary>
        public long Changes => changes;

        /// <summary>The upload that it was to complete; null: it was a PUT.</summary>
        public UploadSession? Session => session;

        /// <summary>The lowest length that the file had since.</summary>
        public long CapLimit { get; set; } = capLimit;

        public bool IsOf(ContentTarget other) => (target.Bucket, target.Key) == (other.Bucket, other.Key);
    }

    /// <summary>Makes the object by one call of the bucket, in an upload slot.</summary>
    private async Task MakeObjectAsync(
        ContentTarget target, long size, long changes, UploadSession? session, string writeId, Func<IBucketClient, Task<ETag>> make)
    {
        var made = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _beingMade = made.Task;
        }

        try
        {
            var etag = await make(_store.Client(target.Bucket)).ConfigureAwait(false);
            Apply(target, new ObjectVersion(target.Bucket, target.Key, etag, size), changes, session, capLimit: null);
        }
        catch (ObjectStoreException e) when (e.Kind != ObjectStoreErrorKind.PreconditionFailed && e.Code is not ("NoSuchUpload" or "InvalidPart"))
        {
            lock (_lock)
            {
                if (_unanswered.Count < MaxUnanswered && !_unanswered.Exists(u => u.WriteId == writeId && u.Changes == changes))
                {
                    _unanswered.Add(new Unanswered(writeId, target, changes, session, _capLimit));
                }
            }

            throw;
        }
        finally
        {
            made.SetResult();
        }
    }

    /// <summary>The same for the same content, so that the bucket's client knows it again too.</summary>
    private string WriteIdOf(ContentTarget target, long changes)
    {
        lock (_lock)
        {
            return _unanswered.Find(u => u.IsOf(target) && u.Changes == changes && u.Session is null)?.WriteId ?? ObjectHeaders.NewWriteId();
        }
    }

    /// <summary>
    /// In a publication: looks whether one of those calls got through. True: the file rests on its object now, and is clean if nothing changed since.
    /// </summary>
    private async Task<bool> TryTakeUnansweredAsync(CancellationToken cancellationToken)
    {
        var isTaken = false;
        if (UnansweredTarget() is not null)
        {
            await MapAsync(() => _store.UploadAsync(
                async _ => isTaken = await LookForUnansweredAsync(_store.Stopping).ConfigureAwait(false), cancellationToken)).ConfigureAwait(false);
        }

        return isTaken;
    }

    /// <summary>The same for whoever needs the object as it is: one request, where there is such a call, and none else.</summary>
    /// <exception cref="ObjectStoreException">The bucket does not say.</exception>
    internal async Task<bool> LookForUnansweredAsync(CancellationToken cancellationToken)
    {
        if (UnansweredTarget() is not { } target)
        {
            return false;
        }

        var found = await _store.Client(target.Bucket).HeadAsync(target.Key, cancellationToken).ConfigureAwait(false);
        var isTaken = found is not null && TryTake(target, found);
        if (isTaken)
        {
            Published?.Invoke(this);
        }

        return isTaken;
    }

    /// <summary>The same; false also where the bucket does not say.</summary>
    internal async Task<bool> TryLookForUnansweredAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await LookForUnansweredAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            return false;
        }
    }

    /// <summary>Where such a call may have made an object; null: there is none.</summary>
    private ContentTarget? UnansweredTarget()
    {
        lock (_lock)
        {
            return _target is { } target && _unanswered.Exists(u => u.IsOf(target)) ? target : null;
        }
    }

    /// <summary>
    /// For who finds the version that it reads gone: whether that was this file's own doing, which an answer that is on its way may tell yet, or none.
    /// </summary>
    private async Task<bool> IsReplacedAsync(ObjectVersion source)
    {
        Task making;
        lock (_lock)
        {
            making = _beingMade;
        }

        await making.ConfigureAwait(false);
        if (IsReplaced(source))
        {
            return true;
        }

        return await TryLookForUnansweredAsync(_store.Stopping).ConfigureAwait(false) && IsReplaced(source);
    }

    private bool IsReplaced(ObjectVersion source)
    {
        lock (_lock)
        {
            return _base is not null && _base != source;
        }
    }

    private bool TryTake(ContentTarget target, BucketObject found)
    {
        lock (_lock)
        {
            if (_unanswered.Find(u => u.IsOf(target) && u.WriteId == found.WriteId) is not { } own)
            {
                return false;
            }

            Apply(target, new ObjectVersion(target.Bucket, target.Key, found.ETag, found.Size), own.Changes, own.Session, own.CapLimit);
            return true;
        }
    }
}
