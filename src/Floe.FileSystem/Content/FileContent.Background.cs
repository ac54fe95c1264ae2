namespace Floe.FileSystem.Content;

/// <summary>Publishing what was closed, while nobody waits.</summary>
public sealed partial class FileContent
{
    private Task _background = Task.CompletedTask;
    private bool _isQueued;

    // While it is queued and waits for the end of a hold: it is not on its way, and nobody need wait for it.
    private volatile bool _isHeldBack;

    /// <summary>Finishes in the background what has no writer any more.</summary>
    internal void PublishInBackground()
    {
        // Before the lock, which is taken with the store's held and never the other way round.
        if (IsDirty)
        {
            _store.Track(this);
        }

        lock (_lock)
        {
            if (_isQueued || _changes == _published || _writers > 0 || _target is null)
            {
                return;
            }

            if (!HasFailed)
            {
                _store.NoteRoom();
            }

            _isQueued = true;
            _background = PublishQueuedAsync();
        }
    }

    /// <summary>Until nothing is under way in the background.</summary>
    internal async Task SettleAsync()
    {
        while (true)
        {
            Task background;
            lock (_lock)
            {
                if (!_isQueued)
                {
                    return;
                }

                background = _background;
            }

            await background.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PublishQueuedAsync()
    {
        var isTransfer = false;
        while (!_store.Stopping.IsCancellationRequested && _store.HoldOf(ReplacesObject) is { } hold)
        {
            _isHeldBack = true;
            isTransfer = await _store.WaitAsync(hold, isTransfer).ConfigureAwait(false);
        }

        _isHeldBack = false;
        // From now on, however long it waits for its turn: what closed files have in the cache is going to be room.
        if (!isTransfer)
        {
            _store.Space.BeginTransfer();
        }

        _store.Backlog.Begin();
        try
        {
            await Task.Yield();
            await PublishUntilCleanAsync().ConfigureAwait(false);
        }
        finally
        {
            _store.Backlog.End();
            _store.Space.EndTransfer();
        }

        _store.Settle(this);
    }

    private bool ReplacesObject
    {
        get
        {
            lock (_lock)
            {
                return _base is not null || _expected is not null;
            }
        }
    }

    private async Task PublishUntilCleanAsync()
    {
        while (true)
        {
            try
            {
                await PublishAsync(isForced: false, _store.Stopping).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Kept in Failure, and told by whoever asks. What nobody foresaw must not be tried for ever, nor be waited for.
                if (e is not (ContentException or OperationCanceledException or ObjectDisposedException))
                {
                    lock (_lock)
                    {
                        Failure = new ContentException(ContentErrorKind.LocalDisk, $"{Target}: {e.Message}", e);
                        NoteFailed();
                    }

                    _store.NoteFailure(this, Failure);
                }
            }

            lock (_lock)
            {
                if (Failure is not null || _changes == _published || _writers > 0 || _target is null || _store.Stopping.IsCancellationRequested)
                {
                    _isQueued = false;
                    return;
                }
            }
        }
    }
}
