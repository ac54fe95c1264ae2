using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Reading, and fetching what is not here.</summary>
public sealed partial class FileContent
{
    /// <summary>A lone read fetches so much around it.</summary>
    private const long DemandBlocks = (256 << 10) / BlockMap.BlockBytes;

    /// <summary>One ranged GET carries at most this much.</summary>
    private const long MaxFetchBytes = 8 << 20;

    private readonly Dictionary<long, Fetch> _inFlight = [];
    private readonly ChunkUse _use = new();
    private ReadAhead? _readAhead;
    private long _evictions;
    private bool _isDropped;

    /// <summary>Blocks on their way: those of [First, End) that still name this fetch in the table.</summary>
    private sealed class Fetch(long first, long end)
    {
        public long First => first;

        public long End => end;

        public Exception? Error { get; set; }

        /// <summary>Completes when a block has come or the fetch has ended; renewed each time.</summary>
        public TaskCompletionSource Moved { get; set; } = NewSource();

        public static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Fills the destination up to the end of the file. Completes at once where the bytes are local.</summary>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return TryReadLocal(offset, destination.Span, out var count)
            ? ValueTask.FromResult(count)
            : ReadSlowlyAsync(offset, destination, cancellationToken);
    }

    private async ValueTask<int> ReadSlowlyAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (true)
        {
            var size = Size;
            if (offset >= size)
            {
                return 0;
            }

            var end = Math.Min(offset + destination.Length, size);
            try
            {
                await FetchAsync(BlockMap.BlockOf(offset), BlockMap.BlocksOf(end), mayWait: true, cancellationToken).ConfigureAwait(false);
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace)
            {
                return await ReadPastCacheAsync(offset, destination[..(int)(end - offset)], cancellationToken).ConfigureAwait(false);
            }

            if (TryReadLocal(offset, destination.Span, out var count))
            {
                return count;
            }
        }
    }

    /// <summary>False where some of it is not here. A drop that ran meanwhile is noticed and the read done again.</summary>
    private bool TryReadLocal(long offset, Span<byte> destination, out int count)
    {
        while (true)
        {
            long evictions, ahead;
            bool isLocal;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isDropped, this);
                count = (int)Math.Clamp(_size - offset, 0, destination.Length);
                if (count == 0)
                {
                    return true;
                }

                evictions = _evictions;
                isLocal = !MissingIn(BlockMap.BlockOf(offset), BlockMap.BlocksOf(offset + count));
                ahead = _base is null || _blocks.PresentCount >= BlockMap.BlocksOf(_baseLimit)
                    ? 0 : (_readAhead ??= new ReadAhead(_store.MaxReadAheadBytes)).Note(offset, count);
                LastUsed = _store.Tick();
                _use.Touch(offset, LastUsed);
            }

            if (ahead > 0)
            {
                FetchAhead(offset + count, ahead);
            }

            if (!isLocal)
            {
                return false;
            }

            if (_local is { } local)
            {
                local.Read(offset, destination[..count]);
            }
            else
            {
                destination[..count].Clear();
            }

            lock (_lock)
            {
                if (_evictions == evictions)
                {
                    return true;
                }
            }
        }
    }

    /// <summary>Under the lock: whether a block of the range is neither here nor zeros.</summary>
    private bool MissingIn(long first, long end)
    {
        for (var block = first; block < end; block++)
        {
            if (IsMissing(block))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsMissing(long block) =>
        !_blocks.IsPresent(block) && (_blocks.IsDirty(block) || block * BlockMap.BlockBytes < _baseLimit);

    /// <summary>Until every block of the range is here, or is zeros. Blocks that lie only in a sent part become the object's by publishing it.</summary>
    private async Task FetchAsync(long first, long end, bool mayWait, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task? moved = null;
            var isAway = false;
            List<Fetch> started = [];
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isDropped, this);
                for (var block = first; block < end; block++)
                {
                    if (!IsMissing(block))
                    {
                        continue;
                    }

                    if (_blocks.IsAway(block))
                    {
                        isAway = true;
                        break;
                    }

                    if (!_inFlight.TryGetValue(block, out var fetch))
                    {
                        fetch = ClaimLocked(block, Math.Max(end, Math.Min(block + DemandBlocks, BlockMap.BlocksOf(_baseLimit))));
                        started.Add(fetch);
                    }

                    moved ??= fetch.Moved.Task;
                }
            }

            foreach (var fetch in started)
            {
                _ = RunFetchAsync(fetch, mayWait, cancellationToken);
            }

            if (isAway)
            {
                await PublishNowAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (moved is null)
            {
                return;
            }

            await moved.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Starts fetching what is missing up to an offset, in ranges that grow with the distance. Never waits.</summary>
    private void FetchAhead(long from, long to)
    {
        List<Fetch>? started = null;
        lock (_lock)
        {
            var end = BlockMap.BlocksOf(Math.Min(to, _baseLimit));
            var first = BlockMap.BlockOf(from);
            var perFetch = Math.Clamp((to - from) / 4, 256 << 10, MaxFetchBytes) / BlockMap.BlockBytes;
            for (var block = first; block < end; block++)
            {
                if (_store.ReadAheadIsBusy || !IsMissing(block) || _blocks.IsAway(block) || _inFlight.ContainsKey(block))
                {
                    continue;
                }

                // Small ranges at the far end would never grow: wait until there is enough to ask for.
                var run = Math.Min(end, block + perFetch);
                if (run - block < perFetch && run < BlockMap.BlocksOf(_baseLimit))
                {
                    break;
                }

                var fetch = ClaimLocked(block, run);
                (started ??= []).Add(fetch);
                _store.BeginReadAhead();
                block = fetch.End - 1;
            }
        }

        foreach (var fetch in started ?? [])
        {
            _ = RunReadAheadAsync(fetch);
        }
    }

    private async Task RunReadAheadAsync(Fetch fetch)
    {
        try
        {
            await RunFetchAsync(fetch, mayWait: false, _store.Stopping).ConfigureAwait(false);
        }
        finally
        {
            _store.EndReadAhead();
        }
    }

    /// <summary>Under the lock: takes the run of missing blocks that begins here, up to an end.</summary>
    private Fetch ClaimLocked(long first, long end)
    {
        var last = first;
        while (last + 1 < end && last + 1 - first < MaxFetchBytes / BlockMap.BlockBytes
            && IsMissing(last + 1) && !_blocks.IsAway(last + 1) && !_inFlight.ContainsKey(last + 1))
        {
            last++;
        }

        var fetch = new Fetch(first, last + 1);
        for (var block = first; block <= last; block++)
        {
            _inFlight[block] = fetch;
        }

        return fetch;
    }

    /// <summary>Never throws: the waiters are told.</summary>
    private async Task RunFetchAsync(Fetch fetch, bool mayWait, CancellationToken cancellationToken)
    {
        // The bytes serve whoever waits for them: one reader's interruption does not take them from the others.
        _ = cancellationToken;
        var reserved = (fetch.End - fetch.First) * BlockMap.BlockBytes;
        Exception? error = null;
        var isReserved = false;
        try
        {
            if (mayWait)
            {
                await _store.Space.ReserveAsync(reserved, _store.Stopping).ConfigureAwait(false);
                isReserved = true;
            }
            else
            {
                isReserved = _store.Space.TryReserve(reserved);
            }

            if (isReserved)
            {
                _store.Space.BeginTransfer();
                await TransferAsync(fetch).ConfigureAwait(false);
            }
        }
        catch (ObjectStoreException e)
        {
            error = ContentErrors.Map(e, isRead: true);
        }
        catch (Exception e) when (e is ContentException or OperationCanceledException or ObjectDisposedException)
        {
            error = e;
        }

        var left = 0L;
        lock (_lock)
        {
            for (var block = fetch.First; block < fetch.End; block++)
            {
                if (_inFlight.GetValueOrDefault(block) == fetch)
                {
                    _inFlight.Remove(block);
                    left++;
                }
            }

            fetch.Error = error;
        }

        // Whoever took a block over has released its space already, reserved or not.
        _store.Space.Release(isReserved ? left * BlockMap.BlockBytes : (left * BlockMap.BlockBytes) - reserved);
        if (isReserved)
        {
            _store.Space.EndTransfer();
        }

        if (error is null)
        {
            fetch.Moved.TrySetResult();
        }
        else
        {
            fetch.Moved.TrySetException(error);
            _ = fetch.Moved.Task.Exception;
        }
    }

    /// <summary>Our own publication may replace the object while it is read: then the rest comes from the new version, which has the same bytes there.</summary>
    private async Task TransferAsync(Fetch fetch)
    {
        var at = fetch.First * BlockMap.BlockBytes;
        while (true)
        {
            ObjectVersion source;
            long end;
            lock (_lock)
            {
                source = _base ?? throw new ContentException(ContentErrorKind.Stale, "the file was cut while it was read");
                end = Math.Min(fetch.End * BlockMap.BlockBytes, _baseLimit);
            }

            if (at >= end)
            {
                return;
            }

            try
            {
                await _store.Client(source.Bucket).ReadRangeAsync(source, at, end - at, (offset, piece) =>
                {
                    Fill(fetch, offset, piece.Span);
                    at = offset + piece.Length;
                    return ValueTask.CompletedTask;
                }, _store.Stopping).ConfigureAwait(false);
                return;
            }
            catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound && IsReplaced(source))
            {
                at = at / BlockMap.BlockBytes * BlockMap.BlockBytes;
            }
        }
    }

    private bool IsReplaced(ObjectVersion source)
    {
        lock (_lock)
        {
            return _base is not null && _base != source;
        }
    }

    /// <summary>Takes a piece of whole blocks (the last may be short) into the local file, but for those that a writer or a cut took over meanwhile.</summary>
    private void Fill(Fetch fetch, long offset, ReadOnlySpan<byte> piece)
    {
        using (_fill.Share())
        {
            var first = BlockMap.BlockOf(offset);
            var end = BlockMap.BlocksOf(offset + piece.Length);
            for (var block = first; block < end;)
            {
                var run = block;
                long limit;
                lock (_lock)
                {
                    while (run < end && _inFlight.GetValueOrDefault(run) == fetch)
                    {
                        run++;
                    }

                    limit = _baseLimit;
                }

                if (run == block)
                {
                    block++;
                    continue;
                }

                var from = block * BlockMap.BlockBytes;
                var to = Math.Min(Math.Min(run * BlockMap.BlockBytes, offset + piece.Length), limit);
                if (to > from)
                {
                    Local().Write(from, piece[(int)(from - offset)..(int)(to - offset)]);
                }

                TaskCompletionSource moved;
                lock (_lock)
                {
                    for (var b = block; b < run; b++)
                    {
                        _inFlight.Remove(b);
                        _blocks.SetPresent(b);
                    }

                    _use.Touch(from, LastUsed);
                    (moved, fetch.Moved) = (fetch.Moved, Fetch.NewSource());
                }

                moved.TrySetResult();
                block = run;
            }
        }
    }

    /// <summary>The cache is full of what must stay: the bytes go straight to the reader.</summary>
    private async Task<int> ReadPastCacheAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var done = 0;
        while (done < destination.Length)
        {
            var at = offset + done;
            var wanted = (int)Math.Min(destination.Length - done, ((BlockMap.BlockOf(at) + 1) * BlockMap.BlockBytes) - at);
            var piece = destination.Slice(done, wanted);
            if (!TryReadLocal(at, piece.Span, out _))
            {
                ObjectVersion? source;
                bool isAway;
                lock (_lock)
                {
                    isAway = _blocks.IsAway(BlockMap.BlockOf(at));
                    // All that is missing here in one request.
                    for (var block = BlockMap.BlockOf(at) + 1; done + wanted < destination.Length && IsMissing(block) && !_blocks.IsAway(block); block++)
                    {
                        wanted = (int)Math.Min(destination.Length - done, wanted + BlockMap.BlockBytes);
                    }

                    wanted = (int)Math.Min(wanted, _baseLimit - at);
                    source = _base;
                }

                if (isAway)
                {
                    // Only in a sent part of an unfinished upload: then the object is made first.
                    await PublishNowAsync(cancellationToken).ConfigureAwait(false);
                    continue;
                }

                if (source is null || wanted <= 0)
                {
                    // It has come, or was cut off, in this moment.
                    continue;
                }

                try
                {
                    await _store.Client(source.Bucket).ReadRangeAsync(source, at, destination.Slice(done, wanted), null, cancellationToken).ConfigureAwait(false);
                }
                catch (ObjectStoreException e)
                {
                    throw ContentErrors.Map(e, isRead: true);
                }
            }

            done += wanted;
        }

        return done;
    }
}
