using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>What becomes of a content when its name changes.</summary>
public sealed partial class FileContent
{
    private int _holds;

    /// <summary>
    /// Before a rename: returns when nothing is on its way to the old key, and nothing goes there until the hold is disposed, so that
    /// <see cref="Version"/> stays what it is. What was sent to the old key without being an object yet is sent again to the new one, so it stays
    /// here: also parts that go up while the hold lasts.
    /// </summary>
    public async Task<IDisposable> HoldAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _publishGate.WaitAsync(cancellationToken).ConfigureAwait(false);
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

    /// <summary>
    /// Rename, in a hold: what is not in the bucket yet goes to the new key, replacing what <paramref name="replaced"/> names (null: nothing may be
    /// there). An object that is in the bucket already is the caller's to copy; then <paramref name="version"/> is the copy.
    /// </summary>
    public void Retarget(ContentTarget target, ObjectVersion? replaced, ObjectVersion? version)
    {
        if (TakeSession() is { } session)
        {
            _store.Abandon(session);
        }

        lock (_lock)
        {
            _target = target;
            _expected = (version ?? replaced)?.ETag;
            _base = version ?? _base;
        }
    }

    private sealed class Hold(FileContent content) : IDisposable
    {
        public void Dispose()
        {
            lock (content._lock)
            {
                content._holds--;
            }

            content._publishGate.Release();
            content.PublishInBackground();
        }
    }

    /// <summary>
    /// Before the object is deleted while the file is open: all bytes become local, no upload goes on, reads keep working. A file that the cache has
    /// no room for stays what it was (<see cref="ContentErrorKind.NoSpace"/>).
    /// </summary>
    public async Task DetachAsync(CancellationToken cancellationToken)
    {
        // First of all, or what has come is dropped for what comes.
        Pin(1);
        try
        {
            // Not all at once: every request has a buffer.
            var step = _store.Options.MaxDownloads * MaxFetchBytes / BlockMap.BlockBytes;
            for (var block = 0L; block < BlockMap.BlocksOf(Size); block += step)
            {
                await FetchAsync(block, Math.Min(block + step, BlockMap.BlocksOf(Size)), mayWait: true, cancellationToken).ConfigureAwait(false);
            }

            await _publishGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Pin(-1);
            throw;
        }

        try
        {
            // Holes that a publication has made the object's meanwhile.
            if (!await TryFetchAsync(0, BlockMap.BlocksOf(Size), mayWait: true, cancellationToken).ConfigureAwait(false))
            {
                throw LostUpload();
            }

            lock (_lock)
            {
                _target = null;
                _base = null;
                _baseLimit = 0;
            }

            if (TakeSession() is { } session)
            {
                _store.Abandon(session);
            }
        }
        catch
        {
            Pin(-1);
            throw;
        }
        finally
        {
            _publishGate.Release();
        }
    }

    /// <summary>Nothing is dropped while a pin is there.</summary>
    private void Pin(int change)
    {
        using (_fill.Take())
        {
            lock (_lock)
            {
                _pins += change;
            }
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
