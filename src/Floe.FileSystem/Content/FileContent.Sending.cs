using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Parts on their way to the bucket.</summary>
public sealed partial class FileContent
{
    private readonly Dictionary<int, Sending> _sending = [];
    private readonly Dictionary<int, int> _partVersions = [];

    // Parts that changed after they were sent: they go up again when the file is published, not before.
    private readonly HashSet<int> _restless = [];

    /// <summary>S3 copies ranges of larger objects only.</summary>
    private const long MaxUnrangedBytes = 5 << 20;

    /// <summary>What a part has to wait for outside its upload slot before it can be tried again.</summary>
    private enum Obstacle
    {
        None,

        /// <summary>The upload is being made the object, or another has taken its place.</summary>
        Publication,

        /// <summary>The cache has no room for what the part lacks, and the part is too large for memory: it goes past the limit, when no other does.</summary>
        Room,
    }

    /// <summary>A part as it goes up: its version, blocks and length.</summary>
    private readonly record struct Piece(int Part, int Version, long First, long End, long Bytes, uint? Checksum);

    private sealed class Sending
    {
        /// <summary>The part has changed: what is on its way is of no use.</summary>
        public CancellationTokenSource Stop { get; } = new();

        public Task Done { get; set; } = Task.CompletedTask;
    }

    /// <summary>Whether a part is on its way.</summary>
    internal bool IsSending
    {
        get
        {
            lock (_lock)
            {
                return _sending.Count > 0;
            }
        }
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

    private void StartSending(int part)
    {
        if (!HasFailed)
        {
            _store.NoteRoom();
        }

        _ = ObserveAsync(SendPartAsync(part, _store.Stopping));
    }

    /// <summary>What fails in the background fails again, and is told, when the file is published.</summary>
    private static async Task ObserveAsync(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    // All of these under the lock.
    private bool IsFull(int part) => PartGrid.Offset(part) + PartGrid.Bytes(part) <= _size;

    private int VersionOf(int part) => _partVersions.GetValueOrDefault(part);

    private bool IsSent(int part) =>
        _session is { } session && session.Sent.TryGetValue(part, out var sent) && sent.Version == VersionOf(part)
        && sent.Part.Size == PartGrid.BytesIn(part, _size);

    private bool IsSentIn(int firstPart, int lastPart)
    {
        for (var part = firstPart; part <= lastPart; part++)
        {
            if (IsSent(part))
            {
                return true;
            }
        }

        return false;
    }

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

    /// <summary>Brings one part up, as it is when it begins; a change meanwhile stops it. Sent already or on its way: waits for that.</summary>
    private async Task SendPartAsync(int part, CancellationToken cancellationToken)
    {
        Sending? mine = null;
        Task wait;
        lock (_lock)
        {
            if (_target is null || IsSent(part) || part > PartGrid.Count(_size))
            {
                return;
            }

            if (_sending.TryGetValue(part, out var other))
            {
                wait = other.Done;
            }
            else
            {
                mine = new Sending();
                _sending[part] = mine;
                _store.Space.BeginTransfer();
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                mine.Done = done.Task;
                wait = TransferPartAsync(part, mine, done, cancellationToken);
            }
        }

        await (mine is null ? wait.WaitAsync(cancellationToken) : wait).ConfigureAwait(mine is null ? ConfigureAwaitOptions.SuppressThrowing : ConfigureAwaitOptions.None);
    }

    private async Task TransferPartAsync(int part, Sending mine, TaskCompletionSource done, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var mayPassLimit = false;
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(mine.Stop.Token, cancellationToken);
            while (await _store.UploadAsync(token => SendOnceAsync(part, mayPassLimit, mine.Stop.Token, token), cancellationToken).ConfigureAwait(false) is var obstacle
                && obstacle != Obstacle.None)
            {
                await (obstacle == Obstacle.Room ? _store.LargeParts.WaitAsync(either.Token) : WaitForCompletionAsync(either.Token)).ConfigureAwait(false);
                mayPassLimit |= obstacle == Obstacle.Room;
            }
        }
        catch (Exception e) when (mine.Stop.IsCancellationRequested || (e is OperationCanceledException && !_store.Stopping.IsCancellationRequested))
        {
            // The part changed, and so may have failed for that (cut while it was read): whoever needs it sends it again.
        }
        catch (Exception e)
        {
            var error = e switch
            {
                ObjectStoreException fault => ContentErrors.Map(fault, isRead: false),
                IOException fault => ContentErrors.Map(fault, _local?.Path ?? _store.Options.CacheFolder),
                _ => e,
            };
            lock (_lock)
            {
                _stuckBy = error as ContentException ?? new ContentException(ContentErrorKind.LocalDisk, error.Message, error);
                NoteFailed();
            }

            throw error;
        }
        finally
        {
            lock (_lock)
            {
                _sending.Remove(part);
            }

            if (mayPassLimit)
            {
                _store.LargeParts.Release();
            }

            // After the part may be dropped, so that who waits for space finds it.
            _store.Space.EndTransfer();
            mine.Stop.Dispose();
            done.SetResult();
        }
    }

    /// <param name="stop">The part changed. Heeded only while nothing can have arrived: a request that the service has whole is waited for.</param>
    private async Task<Obstacle> SendOnceAsync(int part, bool mayPassLimit, CancellationToken stop, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, cancellationToken);
        var session = await SessionAsync(either.Token).ConfigureAwait(false);
        long first, end, bytes;
        int version;
        bool isMissing;
        ObjectVersion? source;
        uint? checksum;
        // Not between a writer's claim and its bytes.
        using (_fill.Share())
        lock (_lock)
        {
            bytes = PartGrid.BytesIn(part, _size);
            if (bytes <= 0 || IsSent(part))
            {
                return Obstacle.None;
            }

            // Another version of a part that is listed must not arrive meanwhile: it would break the upload that may alone have some of the bytes.
            if (_session != session || _completion is not null)
            {
                return Obstacle.Publication;
            }

            (first, end) = BlocksOfPart(part);
            version = VersionOf(part);
            checksum = ChecksumOf(part, bytes);
            source = !HasDirty(part) && PartGrid.Offset(part) + bytes <= _baseLimit && _base?.Size > MaxUnrangedBytes ? _base : null;
            isMissing = source is null && MissingIn(first, end);
            if (HasAwayIn(part, part))
            {
                throw LostUpload();
            }

            session.Begin();
        }

        try
        {
            var piece = new Piece(part, version, first, end, bytes, checksum);
            return await SendOnceAsync(session, piece, isMissing, mayPassLimit, source, stop, either.Token, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
            {
                session.End();
            }
        }
    }

    /// <param name="source">The version that has all of it; null: it is sent from here.</param>
    /// <param name="either">Either of the two.</param>
    private async Task<Obstacle> SendOnceAsync(
        UploadSession session, Piece piece, bool isMissing, bool mayPassLimit, ObjectVersion? source, CancellationToken stop, CancellationToken either, CancellationToken cancellationToken)
    {
        var (part, version, first, end, bytes, checksum) = piece;
        var client = _store.Client(session.Bucket);
        UploadedPart sent;
        var isHere = !isMissing || await TryFetchToSendAsync(first, end, mayPassLimit, either).ConfigureAwait(false);
        if (!isHere && !_store.PartMemory.Fits(bytes))
        {
            return Obstacle.Room;
        }

        // Where it may change while it is read, the checksum has to be one of the very bytes that are sent.
        var isCopied = !isHere || (source is null && MayBecomeMappable && _store.PartMemory.Fits(bytes));
        using var memory = isCopied ? await ReadPartAsync(part, bytes, either).ConfigureAwait(false) : null;
        stop.ThrowIfCancellationRequested();
        try
        {
            if (memory is not null)
            {
                sent = await client.UploadPartAsync(session.Ticket, part, memory.Bytes, cancellationToken).ConfigureAwait(false);
            }
            else if (source is not null)
            {
                sent = await client.CopyPartAsync(session.Ticket, part, source, PartGrid.Offset(part), bytes, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                sent = await SendFileAsync(client, session, part, bytes, checksum, stop, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (ObjectStoreException e) when (e.Code == "NoSuchUpload")
        {
            if (!ForgetSession(session))
            {
                return Obstacle.Publication;
            }

            throw;
        }
        catch (Exception e) when (e is not OperationCanceledException || cancellationToken.IsCancellationRequested)
        {
            lock (_lock)
            {
                // Of a part that mappings may have changed the next reading can be another.
                session.Unanswered[part] = session.Unanswered.GetValueOrDefault(part, version) == version && !(isCopied && isHere) ? version : -1;
            }

            throw;
        }

        lock (_lock)
        {
            if (_session == session && VersionOf(part) == version)
            {
                session.Sent[part] = (sent, version);
                (_stuckBy, _retries) = (null, 0);
                _store.NoteArrived();
            }
        }

        return Obstacle.None;
    }

    private async Task WaitForCompletionAsync(CancellationToken cancellationToken)
    {
        Task? completion;
        lock (_lock)
        {
            completion = _completion?.Task;
        }

        await (completion ?? Task.CompletedTask).WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
