using System.Buffers;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Parts on their way to the bucket.</summary>
public sealed partial class FileContent
{
    /// <summary>Parts up to here may be put together in memory when the cache is full.</summary>
    private const int MaxMemoryPartBytes = 32 << 20;

    private readonly Dictionary<int, Sending> _sending = [];
    private readonly Dictionary<int, int> _partVersions = [];

    // Parts that changed after they were sent: they go up again when the file is published, not before.
    private readonly HashSet<int> _restless = [];
    private readonly SemaphoreSlim _sessionGate = new(1);
    private UploadSession? _session;

    // The last part that was tried failed: sending more to make room is of no use until a publication has been tried again.
    private bool _isStuck;

    private sealed class Sending(CancellationTokenSource stop)
    {
        public CancellationTokenSource Stop => stop;

        public Task Done { get; set; } = Task.CompletedTask;
    }

    /// <summary>Sends what is full and unsent, to make room. False: there is nothing.</summary>
    internal bool Relieve()
    {
        List<int> parts = [];
        lock (_lock)
        {
            if (_target is null || _size <= PartGrid.MinPartBytes || _local is null || _isStuck)
            {
                return false;
            }

            for (var part = 1; part <= PartGrid.Count(_size); part++)
            {
                if (IsFull(part) && !IsSent(part) && !_sending.ContainsKey(part) && HasDirty(part) && part != _activePart)
                {
                    parts.Add(part);
                }
            }

            if (parts.Count == 0 && _sending.Count == 0 && _activePart > 0 && IsFull(_activePart) && !IsSent(_activePart) && HasDirty(_activePart))
            {
                // It may well change again, but there is nothing else.
                parts.Add(_activePart);
            }
        }

        parts.ForEach(StartSending);
        return parts.Count > 0;
    }

    private void SendInBackground(int part)
    {
        lock (_lock)
        {
            if (_target is null || Failure is not null || !IsFull(part) || IsSent(part) || _sending.ContainsKey(part) || _restless.Contains(part) || !HasDirty(part))
            {
                return;
            }
        }

        StartSending(part);
    }

    private void StartSending(int part) => _ = ObserveAsync(SendPartAsync(part, _store.Stopping));

    /// <summary>What fails in the background fails again, and is told, when the file is published.</summary>
    private static async Task ObserveAsync(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    // All of these under the lock.
    private bool IsFull(int part) => PartGrid.Offset(part) + PartGrid.Bytes(part) <= _size;

    private int VersionOf(int part) => _partVersions.GetValueOrDefault(part);

    private bool IsSent(int part) =>
        _session is { } session && session.Sent.TryGetValue(part, out var sent) && sent.Version == VersionOf(part)
        && sent.Part.Size == PartGrid.BytesIn(part, _size);

    private bool IsSealBroken(int firstPart, int lastPart) =>
        _session is { Sealed.Count: > 0 } session && session.Sealed.Any(p => p >= firstPart && p <= lastPart);

    private bool HasDirty(int part)
    {
        var (first, end) = BlocksOfPart(part);
        for (var block = first; block < end; block++)
        {
            if (_blocks.IsDirty(block))
            {
                return true;
            }
        }

        return false;
    }

    private (long First, long End) BlocksOfPart(int part) =>
        (BlockMap.BlockOf(PartGrid.Offset(part)), BlockMap.BlocksOf(PartGrid.Offset(part) + PartGrid.BytesIn(part, _size)));

    /// <summary>The part's bytes are others now.</summary>
    private void ChangePart(int part)
    {
        if (part < 1)
        {
            return;
        }

        _partVersions[part] = VersionOf(part) + 1;
        _written.Remove(part);
        if (IsSealBroken(part, part))
        {
            AbandonSession();
        }
        else if (_session?.Sent.Remove(part) == true)
        {
            _restless.Add(part);
        }

        if (_sending.TryGetValue(part, out var sending))
        {
            _restless.Add(part);
            _ = sending.Stop.CancelAsync();
        }
    }

    private void CutParts(long size)
    {
        var count = PartGrid.Count(size);
        for (var part = PartGrid.Count(_size); part > count; part--)
        {
            ChangePart(part);
            _restless.Remove(part);
        }

        ChangePart(count);
    }

    /// <summary>The upload belongs to a snapshot from now on; the file begins another.</summary>
    private void AbandonSession()
    {
        if (_session is { } session)
        {
            _store.Abandon(session);
            _session = null;
        }
    }

    /// <summary>Brings one part up, as it is when it begins; a change meanwhile stops it. Sent already or on its way: waits for that.</summary>
    private async Task SendPartAsync(int part, CancellationToken cancellationToken)
    {
        Sending? mine = null;
        Task wait;
        lock (_lock)
        {
            if (IsSent(part) || part > PartGrid.Count(_size))
            {
                return;
            }

            if (_sending.TryGetValue(part, out var other))
            {
                wait = other.Done;
            }
            else
            {
                mine = new Sending(CancellationTokenSource.CreateLinkedTokenSource(cancellationToken));
                _sending[part] = mine;
                _store.Space.BeginTransfer();
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                mine.Done = done.Task;
                wait = TransferPartAsync(part, mine, done);
            }
        }

        await wait.ConfigureAwait(mine is null ? ConfigureAwaitOptions.SuppressThrowing : ConfigureAwaitOptions.None);
    }

    private async Task TransferPartAsync(int part, Sending mine, TaskCompletionSource done)
    {
        await Task.Yield();
        try
        {
            await _store.UploadAsync(token => SendOnceAsync(part, token), mine.Stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!_store.Stopping.IsCancellationRequested)
        {
            // The part changed: whoever needs it sends it again.
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                _isStuck = true;
            }

            throw e is ObjectStoreException fault ? ContentErrors.Map(fault, isRead: false) : e;
        }
        finally
        {
            lock (_lock)
            {
                _sending.Remove(part);
            }

            // After the part may be dropped, so that who waits for space finds it.
            _store.Space.EndTransfer();
            mine.Stop.Dispose();
            done.SetResult();
        }
    }

    private async Task SendOnceAsync(int part, CancellationToken cancellationToken)
    {
        var session = await SessionAsync(cancellationToken).ConfigureAwait(false);
        long first, end, bytes;
        int version;
        bool isMissing;
        ObjectVersion? source;
        uint? checksum;
        lock (_lock)
        {
            bytes = PartGrid.BytesIn(part, _size);
            if (bytes <= 0)
            {
                return;
            }

            (first, end) = BlocksOfPart(part);
            version = VersionOf(part);
            checksum = ChecksumOf(part, bytes);
            source = !HasDirty(part) && PartGrid.Offset(part) + bytes <= _baseLimit ? _base : null;
            isMissing = source is null && MissingIn(first, end);
            if (!IsSent(part) && HasAwayIn(part, part))
            {
                throw new ContentException(
                    ContentErrorKind.Remote, $"{_target}: its unfinished upload is gone from the bucket, and with it bytes that were nowhere else");
            }
        }

        var client = _store.Client(session.Bucket);
        UploadedPart sent;
        var isHere = !isMissing || await TryFetchToSendAsync(first, end, bytes, cancellationToken).ConfigureAwait(false);
        try
        {
            if (!isHere)
            {
                sent = await SendFromMemoryAsync(client, session, part, (int)bytes, cancellationToken).ConfigureAwait(false);
            }
            else if (source is not null)
            {
                sent = await client.CopyPartAsync(session.Ticket, part, source, PartGrid.Offset(part), bytes, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                sent = await SendFileAsync(client, session, part, bytes, checksum, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (ObjectStoreException e) when (e.Code == "NoSuchUpload")
        {
            ForgetSession(session);
            throw;
        }

        lock (_lock)
        {
            if (_session == session && VersionOf(part) == version)
            {
                session.Sent[part] = (sent, version);
                _isStuck = false;
            }
        }
    }

    /// <summary>Brings what a part lacks into the cache. False: the cache is full, perhaps of this very part's other bytes.</summary>
    private async Task<bool> TryFetchToSendAsync(long first, long end, long bytes, CancellationToken cancellationToken)
    {
        // What waits for space itself is no hope for others who do.
        _store.Space.EndTransfer();
        try
        {
            await FetchAsync(first, end, mayWait: true, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace && bytes <= MaxMemoryPartBytes)
        {
            return false;
        }
        finally
        {
            _store.Space.BeginTransfer();
        }
    }

    /// <summary>Puts a part together from the cache and the object that the file rests on, without room in the cache.</summary>
    private async Task<UploadedPart> SendFromMemoryAsync(IBucketClient client, UploadSession session, int part, int bytes, CancellationToken cancellationToken)
    {
        await _store.MemoryParts.WaitAsync(cancellationToken).ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            var body = buffer.AsMemory(0, bytes);
            await ReadPastCacheAsync(PartGrid.Offset(part), body, cancellationToken).ConfigureAwait(false);
            return await client.UploadPartAsync(session.Ticket, part, body, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _store.MemoryParts.Release();
        }
    }

    private async Task<UploadedPart> SendFileAsync(
        IBucketClient client, UploadSession session, int part, long bytes, uint? checksum, CancellationToken cancellationToken)
    {
        LocalFile local;
        using (_fill.Take())
        {
            // A file of nothing but zeros may not exist yet.
            local = Local();
            if (RandomAccess.GetLength(local.Handle) < PartGrid.Offset(part) + bytes)
            {
                local.SetLength(PartGrid.Offset(part) + bytes);
            }
        }

        return await client.UploadPartAsync(session.Ticket, part, local.Handle, PartGrid.Offset(part), bytes, checksum, cancellationToken).ConfigureAwait(false);
    }

    private void ForgetSession(UploadSession session)
    {
        lock (_lock)
        {
            if (_session == session)
            {
                _session = null;
            }
        }
    }

    /// <summary>The upload under way; begins one.</summary>
    private async Task<UploadSession> SessionAsync(CancellationToken cancellationToken)
    {
        await _sessionGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ContentTarget target;
            lock (_lock)
            {
                if (_session is { } known)
                {
                    return known;
                }

                target = _target ?? throw new OperationCanceledException();
            }

            // Not cut off when the part changes: an upload whose answer is lost would stay in the bucket.
            var ticket = await _store.Client(target.Bucket).CreateUploadAsync(target.Key, _store.HeadersOf(target), _store.Stopping).ConfigureAwait(false);
            var session = new UploadSession(ticket, target.Bucket);
            lock (_lock)
            {
                if (_target == target)
                {
                    return _session = session;
                }
            }

            await _store.AbortAsync(session).ConfigureAwait(false);
            throw new OperationCanceledException();
        }
        finally
        {
            _sessionGate.Release();
        }
    }
}
