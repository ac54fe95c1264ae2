using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>What becomes of a content when its name changes.</summary>
public sealed partial class FileContent
{
    private int _holds;

    /// <summary>
    /// Before a rename, and before anybody is kept out for it. An upload belongs to its key, so what has gone up of it is sent again to the new one: where
    /// more of the file has gone up than is left, or some of it is nowhere else, it becomes the object first, which is copied then. So no more is ever
    /// sent twice than a wait would have sent, and nobody waits for more than half of a file.
    /// </summary>
    /// <param name="released">The caller is being frozen, and would not stand still while it waits: the upload is broken off then.</param>
    public async Task ReadyToMoveAsync(CancellationToken released, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(released, cancellationToken);
        while (WaitToMove() is { } waiting)
        {
            await waiting.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (waiting.IsFaulted)
            {
                _ = ObserveAsync(waiting);
                if (HasOnlyCopyInUpload())
                {
                    // Told before anybody is kept out: it would only fail again.
                    await waiting.ConfigureAwait(false);
                }

                return;
            }

            if (released.IsCancellationRequested)
            {
                if (!HasOnlyCopyInUpload())
                {
                    _ = ObserveAsync(waiting);
                    return;
                }

                // What would be lost with the upload is waited for, and here, where it keeps nobody out.
                await waiting.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private bool HasOnlyCopyInUpload()
    {
        lock (_lock)
        {
            return _session is not null && HasAwayIn(1, PartGrid.Count(_size));
        }
    }

    /// <summary>What is to be waited for; null: nothing.</summary>
    private Task? WaitToMove()
    {
        bool isAway, isQueued;
        Task background;
        lock (_lock)
        {
            if (_session is null)
            {
                return null;
            }

            isAway = HasAwayIn(1, PartGrid.Count(_size));
            isQueued = _isQueued && !_isHeldBack;
            background = _background;
            if (!isAway && ((!isQueued && _sendingAll is null) || _session.Sent.Values.Sum(s => s.Part.Size) < _size / 2))
            {
                return null;
            }
        }

        // No longer than this one: what the file's next writer leaves may be held back.
        return isQueued ? background : isAway ? PublishAwayAsync(_store.Stopping) : PassGateAsync();
    }

    /// <summary>Until the publication that has the gate is through with it.</summary>
    private async Task PassGateAsync()
    {
        await _publishGate.WaitAsync(_store.Stopping).ConfigureAwait(false);
        _publishGate.Release();
    }

    /// <summary>
    /// Before a rename: returns when nothing is on its way to the old key, and nothing goes there until the hold is disposed, so that
    /// <see cref="Version"/> stays what it is. What was sent to the old key without being an object yet is sent again to the new one, so it stays
    /// here: also parts that go up while the hold lasts.
    /// </summary>
    public async Task<IDisposable> HoldAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await EnterUnansweredAsync(cancellationToken).ConfigureAwait(false);
            lock (_lock)
            {
                if (_session is null || !HasAwayIn(1, PartGrid.Count(_size)))
                {
                    _holds++;
                    return new Hold(this);
                }
            }

            _publishGate.Release();
            await PublishAwayAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The gate of publications, with <see cref="Version"/> what the bucket has of this file, also where no answer came.</summary>
    private async Task EnterUnansweredAsync(CancellationToken cancellationToken)
    {
        await GoFirstAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await MapAsync(() => LookForUnansweredAsync(cancellationToken)).ConfigureAwait(false);
        }
        catch
        {
            _publishGate.Release();
            throw;
        }
    }

    /// <summary>
    /// Rename, in a hold: what is not in the bucket yet goes to the new key, replacing what <paramref name="replaced"/> names (null: nothing may be
    /// there). An object that is in the bucket already is the caller's to copy; then <paramref name="version"/> is the copy. Gives where it went
    /// before, for <see cref="Return"/>.
    /// </summary>
    public Place Retarget(ContentTarget target, ObjectVersion? replaced, ObjectVersion? version)
    {
        if (TakeSession() is { } session)
        {
            _store.Abandon(session);
        }

        lock (_lock)
        {
            var before = new Place(_target, _expected, _base);
            _target = target;
            _expected = (version ?? replaced)?.ETag;
            _base = version ?? _base;
            return before;
        }
    }

    /// <summary>In the same hold: the rename failed, and the file goes where it went before.</summary>
    public void Return(Place place)
    {
        lock (_lock)
        {
            (_target, _expected, _base) = (place.Target, place.Expected, place.Base);
        }
    }

    /// <summary>Whether a version of the object is the one that this content rests on, or may replace.</summary>
    public bool Knows(ETag etag)
    {
        lock (_lock)
        {
            return _expected == etag || _base?.ETag == etag;
        }
    }

    /// <summary>Whether there may be an object at the key of a content without <see cref="Version"/> that goes when this one comes.</summary>
    public bool MayReplace
    {
        get
        {
            lock (_lock)
            {
                return _expected is not null || _unanswered.Count > 0;
            }
        }
    }

    /// <summary>Whether an object at its key is that: what a rename had it take the place of, or what a call made whose answer was lost.</summary>
    public bool Replaces(BucketObject found)
    {
        lock (_lock)
        {
            return _expected == found.ETag || _unanswered.Exists(u => u.WriteId == found.WriteId);
        }
    }

    /// <summary>Where a content goes, what it replaces there, and what it rests on.</summary>
    public sealed record Place(ContentTarget? Target, ETag? Expected, ObjectVersion? Base);

    private sealed class Hold(FileContent content) : IDisposable
    {
        public void Dispose()
        {
            lock (content._lock)
            {
                content._holds--;
            }

            content.NoteLetGo();
            content._publishGate.Release();
            content.PublishInBackground();
        }
    }

    /// <summary>Unlinked and closed: nothing of it is needed any more.</summary>
    public void Discard()
    {
        lock (_lock)
        {
            _target = null;
            _isForgotten = true;
        }

        if (TakeSession() is { } session)
        {
            _store.Abandon(session);
        }

        _store.Settle(this);
    }
}
