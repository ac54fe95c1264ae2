using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Fetching what is not here.</summary>
public sealed partial class FileContent
{
    /// <summary>A lone read fetches so much around it.</summary>
    private const long DemandBlocks = (256 << 10) / BlockMap.BlockBytes;

    /// <summary>One ranged GET carries at most this much.</summary>
    private const long MaxFetchBytes = 8 << 20;

    private readonly Dictionary<long, Fetch> _inFlight = [];

    /// <summary>Blocks on their way: those of [First, End) that still name this fetch in the table.</summary>
    /// <param name="source">What the blocks are of, and <paramref name="changes"/> the count of changes, when they were claimed.</param>
    private sealed class Fetch(long first, long end, ObjectVersion? source, long changes)
    {
        public ObjectVersion? Source => source;

        public long Changes => changes;

        public long First => first;

        public long End => end;

        /// <summary>Blocks of it that came into memory, and so never took space in the cache.</summary>
        public int Streamed { get; set; }

        /// <summary>Completes when there is no space for it at once, and it waits.</summary>
        public TaskCompletionSource Waits { get; } = NewSource();

        /// <summary>Completes when a block has come or the fetch has ended; renewed each time.</summary>
        public TaskCompletionSource Moved { get; set; } = NewSource();

        public static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
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

    /// <summary>
    /// Nothing is while the kernel has the local file: it is whole then, and a hole of it may hold what was written through a mapping that nobody has
    /// told of yet. Once the file is published the hole is the object's too, and fetching its zeros would write over that.
    /// </summary>
    private bool IsMissing(long block) =>
        _pinnedBytes == 0 && !_blocks.IsPresent(block) && (_blocks.IsDirty(block) || block * BlockMap.BlockBytes < _baseLimit);

    /// <summary>
    /// Until every block of the range is here, or is zeros. Blocks that lie only in a sent part become the object's by publishing it: not for who is
    /// in the gate or keeps publications away.
    /// </summary>
    private async Task FetchAsync(long first, long end, CancellationToken cancellationToken, bool isRead = false)
    {
        while (!await TryFetchAsync(first, end, cancellationToken, isRead).ConfigureAwait(false))
        {
            await PublishAwayAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The same, but false where a block lies only in a sent part. For a read a block in memory will do; whoever writes needs it in the local file.
    /// </summary>
    private async Task<bool> TryFetchAsync(long first, long end, CancellationToken cancellationToken, bool isRead = false)
    {
        List<Fetch> own = [];
        var more = DemandBlocks;
        while (true)
        {
            (Fetch Fetch, Task Moved)? awaited = null;
            var isAway = false;
            List<Fetch> started = [];
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isDropped, this);
                for (var block = first; block < end; block++)
                {
                    if (!IsMissing(block) || (isRead && IsStreamed(block)))
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
                        fetch = ClaimLocked(block, Math.Max(end, Math.Min(block + more, BlockMap.BlocksOf(_baseLimit))));
                        started.Add(fetch);
                    }

                    awaited ??= (fetch, fetch.Moved.Task);
                }
            }

            own.AddRange(started);
            foreach (var fetch in started)
            {
                _ = RunFetchAsync(fetch, mayWait: true);
            }

            if (isAway)
            {
                return false;
            }

            if (awaited is not { } slowest)
            {
                return true;
            }

            try
            {
                await slowest.Moved.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace && !isRead && (!own.Contains(slowest.Fetch) || slowest.Fetch.End > end))
            {
                // It wanted more space than is needed here.
                more = 0;
            }
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
            int? room = null;
            for (var block = first; block < end; block++)
            {
                if (_inFlight.TryGetValue(block, out var other))
                {
                    block = other.End - 1;
                    continue;
                }

                if (StreamedAt(block * BlockMap.BlockBytes) is { } range && IsStreamed(block))
                {
                    block = Math.Max(block, BlockMap.BlockOf(range.Offset + range.Received) - 1);
                    continue;
                }

                if (!IsMissing(block) || _blocks.IsAway(block))
                {
                    continue;
                }

                if (_store.ReadAheadIsBusy)
                {
                    break;
                }

                // Small ranges at the far end would never grow: wait until there is enough to ask for.
                var run = Math.Min(end, block + perFetch);
                if (run - block < perFetch && run < BlockMap.BlocksOf(_baseLimit))
                {
                    break;
                }

                // A reader that is ahead of the line fills the memory: more would come no sooner, and cost the way through the local file.
                if (_streamed.Count > 1 && (room ??= _store.Streams.Room) - (started?.Count ?? 0) <= 0)
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
            await (TryStream(fetch) is { } range
                ? RunStreamAsync(fetch, range)
                : RunFetchAsync(fetch, mayWait: false)).ConfigureAwait(false);
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

        var fetch = new Fetch(first, last + 1, _base, _changes);
        for (var block = first; block <= last; block++)
        {
            _inFlight[block] = fetch;
        }

        return fetch;
    }

    /// <summary>Never throws: the waiters are told. The bytes serve all of them, so no reader's interruption ends it.</summary>
    /// <param name="isReserved">It has its space, and counts as a transfer.</param>
    private async Task RunFetchAsync(Fetch fetch, bool mayWait, bool isReserved = false)
    {
        var bytes = (fetch.End - fetch.First) * BlockMap.BlockBytes;
        Exception? error = null;
        try
        {
            isReserved = isReserved || _store.Space.TryReserve(bytes, transfers: 1);
            if (!isReserved && mayWait)
            {
                fetch.Waits.SetResult();
                await _store.Space.ReserveAsync(bytes, _store.Stopping, transfers: 1).ConfigureAwait(false);
                isReserved = true;
            }

            if (isReserved)
            {
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
        catch (Exception e)
        {
            error = _store.Unforeseen(this, e);
        }

        EndFetch(fetch, error, isReserved);
        if (isReserved && error is ContentException { Kind: ContentErrorKind.NoSpace })
        {
            _store.Space.NoteDiskFull();
        }
    }

    /// <summary>Gives up the blocks that did not come, with their space, and tells the waiters.</summary>
    private void EndFetch(Fetch fetch, Exception? error, bool isReserved)
    {
        var left = 0L;
        lock (_lock)
        {
            for (var block = fetch.First; block < fetch.End; block++)
            {
                left += LetGo(fetch, block) ? 1 : 0;
            }
        }

        // Whoever took a block over has released its space already, reserved or not.
        _store.Space.Release((left - (isReserved ? 0 : fetch.End - fetch.First - fetch.Streamed)) * BlockMap.BlockBytes);
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

    /// <summary>Under the lock: takes a block off the list of those on their way, unless another has it by now.</summary>
    private bool LetGo(Fetch fetch, long block) => _inFlight.GetValueOrDefault(block) == fetch && _inFlight.Remove(block);

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
            catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound)
            {
                if (!await IsReplacedAsync(source).ConfigureAwait(false))
                {
                    throw;
                }

                at = at / BlockMap.BlockBytes * BlockMap.BlockBytes;
            }
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

                    _use.Touch(from, to - from, LastUsed);
                    (moved, fetch.Moved) = (fetch.Moved, Fetch.NewSource());
                }

                moved.TrySetResult();
                block = run;
            }
        }
    }
}
