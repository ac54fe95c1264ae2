using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Making the object: all of a file at one instant, or nothing.</summary>
public sealed partial class FileContent
{
    /// <summary>After so many rounds in which the file changed faster than it went up, the writers wait.</summary>
    private const int MaxFreeRounds = 3;

    private const int MaxBrokenRounds = 10;

    private readonly SemaphoreSlim _publishGate = new(1);

    // The lowest length that the file had since the content of a publication was fixed.
    private long _capLimit = long.MaxValue;

    // Bytes of a part that had gone up were read since the last publication: they may be again.
    private bool _wasReadBack;

    /// <summary>fsync: returns when the content as it is now is an object of the bucket. A failed upload shows here.</summary>
    public Task SyncAsync(CancellationToken cancellationToken) => PublishNowAsync(cancellationToken);

    private async Task PublishNowAsync(CancellationToken cancellationToken)
    {
        _store.Track(this);
        _store.Space.BeginTransfer();
        try
        {
            await PublishAsync(isForced: true, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _store.Space.EndTransfer();
        }
    }

    /// <summary>In a transfer: while it is in one of the gates it may wait for, whoever is there may wait for space, and so it counts as none.</summary>
    private async Task EnterAsync(SemaphoreSlim gate, CancellationToken cancellationToken)
    {
        if (await gate.WaitAsync(TimeSpan.Zero, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        _store.Space.EndTransfer();
        try
        {
            await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _store.Space.BeginTransfer();
        }
    }

    /// <summary>In a transfer of the caller's.</summary>
    private async Task PublishAsync(bool isForced, CancellationToken cancellationToken)
    {
        while (!await TryPublishAsync(isForced, cancellationToken).ConfigureAwait(false))
        {
            // Whoever wanted the gate is in front of this one there, in a moment at the latest.
            await Task.Yield();
        }
    }

    /// <summary>False: somebody else wants the gate, for a moment.</summary>
    private async Task<bool> TryPublishAsync(bool isForced, CancellationToken cancellationToken)
    {
        await EnterAsync(_publishGate, cancellationToken).ConfigureAwait(false);
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                lock (_lock)
                {
                    _stuckBy = null;
                }

                try
                {
                    if (!await PublishOnceAsync(isForced, cancellationToken).ConfigureAwait(false))
                    {
                        return false;
                    }

                    (Failure, _retries) = (null, 0);
                    _store.NoteArrived();
                    return true;
                }
                catch (ContentException e) when (ContentErrors.MayPass(e) && attempt < _store.Options.MaxUploadTries)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(200 << attempt), _store.Time, cancellationToken).ConfigureAwait(false);
                }
                catch (ContentException e)
                {
                    lock (_lock)
                    {
                        Failure = e;
                        NoteFailed();
                    }

                    _store.NoteFailure(this, e);
                    throw;
                }
            }
        }
        finally
        {
            _publishGate.Release();
        }
    }

    /// <summary>False: see above.</summary>
    private async Task<bool> PublishOnceAsync(bool isForced, CancellationToken cancellationToken)
    {
        for (var round = 1; ; round++)
        {
            bool isSmall;
            lock (_lock)
            {
                if (_changes == _published || (_target ?? _leaving) is null || (!isForced && _writers > 0))
                {
                    return true;
                }

                if (_goFirst > 0 || _target is null)
                {
                    return false;
                }

                isSmall = _size <= PartGrid.MinPartBytes && _session is null;
            }

            // Before its bytes are looked for, of which some may be in that object alone.
            if (await TryTakeUnansweredAsync(cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            var before = Version;
            bool isDone;
            try
            {
                isDone = isSmall
                    ? await PutAsync(isForced, cancellationToken).ConfigureAwait(false)
                    : await CompleteAsync(isForced, holdsWriters: isForced && round > MaxFreeRounds, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (round < MaxBrokenRounds && !cancellationToken.IsCancellationRequested && !_store.Stopping.IsCancellationRequested)
            {
                // Its name is being taken away.
                continue;
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.Conflict)
            {
                // One may have arrived late, and a reader have found it first.
                if (!await TryTakeUnansweredAsync(cancellationToken).ConfigureAwait(false) && Version == before)
                {
                    throw;
                }

                continue;
            }

            if (isDone)
            {
                Published?.Invoke(this);
                return true;
            }
        }
    }

    /// <summary>Every part up, then the object. False where the file changed meanwhile, or a writer who waits for it is to stand still for a snapshot.</summary>
    private async Task<bool> CompleteAsync(bool isForced, bool holdsWriters, CancellationToken cancellationToken)
    {
        if (!holdsWriters && !await TrySendAllAsync(cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        UploadSession session;
        List<UploadedPart> parts = [];
        ContentTarget target;
        long changes, size;
        TaskCompletionSource completion;
        await EnterAsync(_gate, cancellationToken).ConfigureAwait(false);
        try
        {
            if (holdsWriters && !await TryHoldOffAsync(TrySendAllAsync, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            lock (_lock)
            {
                if (_target is null || _session is null || (!isForced && _writers > 0))
                {
                    return false;
                }

                for (var part = 1; part <= PartGrid.Count(_size); part++)
                {
                    if (!IsSent(part))
                    {
                        return false;
                    }

                    parts.Add(_session.Sent[part].Part);
                }

                if (parts.Count == 0)
                {
                    // Cut to nothing: an upload of no parts cannot be completed.
                    AbandonSession();
                    return false;
                }

                (session, target, changes, size, _capLimit) = (_session, _target, _changes, _size, long.MaxValue);
                _completion = completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
        finally
        {
            _gate.Release();
        }

        var snapshots = 0;
        try
        {
            await MapAsync(() => _store.UploadAsync(
                _ =>
                {
                    snapshots = _store.Snapshots;
                    return MakeObjectAsync(
                        target, size, changes, session, session.Ticket.WriteId,
                        client => client.CompleteUploadAsync(session.Ticket, parts, Condition(), _store.Stopping));
                },
                cancellationToken)).ConfigureAwait(false);
        }
        catch (ContentException e) when (e.InnerException is ObjectStoreException { Code: "NoSuchUpload" or "InvalidPart" })
        {
            // Somebody aborted it, or a part that was given up arrived after the one that replaced it.
            ForgetSession(session);
            _store.Abandon(session);
            throw new ContentException(ContentErrorKind.Remote, e.Message, e);
        }
        finally
        {
            lock (_lock)
            {
                _completion = null;
            }

            completion.SetResult();
        }

        await RenewHeadersAsync(target, session, changes, snapshots, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>False: a change of the name wants the gate of publications. What has gone up stays in the upload.</summary>
    private async Task<bool> TrySendAllAsync(CancellationToken cancellationToken)
    {
        int count;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _store.Stopping);
        lock (_lock)
        {
            if (_goFirst > 0)
            {
                return false;
            }

            (count, _sendingAll) = (PartGrid.Count(_size), stop);
        }

        try
        {
            await MapAsync(() => _store.UploadAsync(SessionAsync, stop.Token)).ConfigureAwait(false);
            await Parallel.ForEachAsync(
                Enumerable.Range(1, count),
                new ParallelOptions { MaxDegreeOfParallelism = _store.Options.MaxUploads, CancellationToken = stop.Token },
                async (part, token) => await SendPartAsync(part, token).ConfigureAwait(false)).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested && !_store.Stopping.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            lock (_lock)
            {
                _sendingAll = null;
            }
        }
    }

    private PutCondition Condition()
    {
        lock (_lock)
        {
            return _expected is { } etag ? PutCondition.IfMatch(etag) : PutCondition.IfAbsent;
        }
    }

    private static async Task MapAsync(Func<Task> upload)
    {
        try
        {
            await upload().ConfigureAwait(false);
        }
        catch (ObjectStoreException e)
        {
            throw ContentErrors.Map(e, isRead: false);
        }
    }

    /// <summary>The bucket has the content of a change: what was not changed since is clean now and rests on the new version.</summary>
    /// <param name="capLimit">The lowest length since that change; null: it is the last whose content was fixed, and it is known.</param>
    private void Apply(ContentTarget target, ObjectVersion version, long changes, UploadSession? session, long? capLimit)
    {
        lock (_lock)
        {
            var isAll = _changes == changes;
            // The parts of a mappable file may have been read anew, and otherwise, for another upload since, under the same version.
            var sentParts = session is null || (_isMappable && session != _session) ? [] : session.Sent;
            var end = Math.Min(_blocks.Limit, BlockMap.BlocksOf(Math.Max(_size, version.Size)));
            for (var block = 0L; block < end && _blocks.DirtyCount > 0; block++)
            {
                var part = PartGrid.Number(block * BlockMap.BlockBytes);
                if (isAll || (sentParts.TryGetValue(part, out var sent) && sent.Version == VersionOf(part)))
                {
                    _blocks.ClearDirty(block);
                }
            }

            if (_target == target)
            {
                _expected = version.ETag;
            }

            _base = version;
            _baseLimit = Math.Min(version.Size, capLimit ?? _capLimit);
            // Whatever else is on its way there finds that its condition does not hold.
            _unanswered.Clear();
            if (isAll)
            {
                _published = changes;
                _wasReadBack = false;
                _partVersions.Clear();
                _restless.Clear();
            }

            if (_session == session)
            {
                _session = null;
            }
            else if (isAll)
            {
                // Begun for a part that was cut off before it went up.
                AbandonSession();
            }
        }
    }
}
