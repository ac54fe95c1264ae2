using Floe.S3;

namespace Floe.FileSystem.Content;

/// <summary>What is fetched ahead of a reader in order goes into memory first, and from there into the local file when there is time.</summary>
public sealed partial class FileContent
{
    /// <summary>Shorter ranges are not worth a piece of the memory.</summary>
    private const long MinStreamedBytes = 512 << 10;

    /// <summary>Readers are told of new bytes in steps of at least this much.</summary>
    private const int StreamedStepBytes = 256 << 10;

    private readonly List<StreamedRange> _streamed = [];

    /// <summary>Under the lock: the range in memory that holds the byte, if it is still the file's.</summary>
    private StreamedRange? StreamedAt(long offset)
    {
        foreach (var range in _streamed)
        {
            if (range.Holds(offset) && IsCurrent(range))
            {
                return range;
            }
        }

        return null;
    }

    /// <summary>Under the lock: whether all of a missing block is in memory.</summary>
    private bool IsStreamed(long block)
    {
        var start = block * BlockMap.BlockBytes;
        return StreamedAt(start) is { } range && range.Holds(Math.Min(start + BlockMap.BlockBytes, _baseLimit) - 1);
    }

    /// <summary>Under the lock: nothing has been written, cut or published since it was asked for.</summary>
    private bool IsCurrent(StreamedRange range) => range.Changes == _changes && ReferenceEquals(range.Source, _base) && !_isDropped;

    /// <summary>
    /// A place in memory for what is to be fetched; null: it goes into the local file at once. So does what was claimed before a change: a block that
    /// somebody has taken over since is left alone there, but not in memory, which is read as a whole.
    /// </summary>
    private StreamedRange? TryStream(Fetch fetch)
    {
        if ((fetch.End - fetch.First) * BlockMap.BlockBytes < MinStreamedBytes || _store.Streams.TryRent() is not { } memory)
        {
            return null;
        }

        lock (_lock)
        {
            var offset = fetch.First * BlockMap.BlockBytes;
            var length = Math.Min(fetch.End * BlockMap.BlockBytes, _baseLimit) - offset;
            if (fetch.Source is { } source && ReferenceEquals(source, _base) && fetch.Changes == _changes && length > 0 && !_isDropped)
            {
                var range = new StreamedRange(this, memory, source, fetch.Changes, offset, (int)length);
                _streamed.Add(range);
                return range;
            }
        }

        _store.Streams.Return(memory);
        return null;
    }

    /// <summary>Never throws: the waiters are told.</summary>
    private async Task RunStreamAsync(Fetch fetch, StreamedRange range)
    {
        Exception? error = null;
        try
        {
            var news = 0;
            await _store.Client(range.Source.Bucket).ReadRangeAsync(range.Source, range.Offset, range.Memory.Memory[..range.Length], count =>
            {
                news += count;
                if (news >= StreamedStepBytes || range.Received + news == range.Length)
                {
                    Arrive(fetch, range, news);
                    news = 0;
                }
            }, _store.Stopping).ConfigureAwait(false);
        }
        catch (ObjectStoreException e)
        {
            // Replaced by our own publication: whoever waits asks for the new version.
            error = e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound && await IsReplacedAsync(range.Source).ConfigureAwait(false)
                ? null : ContentErrors.Map(e, isRead: true);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            error = e;
        }
        catch (Exception e)
        {
            error = _store.Unforeseen(this, e);
        }

        EndFetch(fetch, error, isReserved: false);
        if (range.Received == range.Length)
        {
            _store.Streams.Keep(range);
        }
        else
        {
            DropStreamed(range);
        }
    }

    private void Arrive(Fetch fetch, StreamedRange range, int count)
    {
        TaskCompletionSource moved;
        lock (_lock)
        {
            var first = range.Received / BlockMap.BlockBytes;
            range.Received += count;
            var end = range.Received == range.Length ? range.EndBlock - range.FirstBlock : range.Received / BlockMap.BlockBytes;
            for (var block = range.FirstBlock + first; block < range.FirstBlock + end; block++)
            {
                fetch.Streamed += LetGo(fetch, block) ? 1 : 0;
            }

            (moved, fetch.Moved) = (fetch.Moved, Fetch.NewSource());
        }

        moved.TrySetResult();
    }

    internal void EndUse(StreamedRange range, int taken)
    {
        bool isUnused;
        lock (_lock)
        {
            range.Taken += taken;
            isUnused = --range.Users == 0 && range.IsDropped;
        }

        if (isUnused)
        {
            _store.Streams.Return(range.Memory);
        }
        else if (range.IsReadThrough)
        {
            _store.Streams.DropWritten(range);
        }
    }

    /// <summary>Nobody reads any more: what the local file has need not stay in memory.</summary>
    private void DropWritten()
    {
        StreamedRange[] left;
        lock (_lock)
        {
            left = [.. _streamed];
        }

        foreach (var range in left)
        {
            _store.Streams.DropWritten(range);
        }
    }

    /// <summary>The range is found no more; its memory goes back at once or with the last read under way.</summary>
    internal void DropStreamed(StreamedRange range)
    {
        lock (_lock)
        {
            _streamed.Remove(range);
            range.IsDropped = true;
            if (range.Users > 0)
            {
                return;
            }
        }

        _store.Streams.Return(range.Memory);
    }

    /// <summary>Writes what the local file lacks of a whole range. Never throws: without the copy it is fetched again.</summary>
    internal void KeepStreamed(StreamedRange range)
    {
        try
        {
            for (var block = range.FirstBlock; TryClaimStreamed(range, block) is { } fetch; block = fetch.End)
            {
                KeepStreamed(range, fetch);
            }
        }
        catch (Exception e) when (e is ContentException or ObjectDisposedException)
        {
        }

        _store.Streams.Written(range);
        bool isOfUse;
        lock (_lock)
        {
            isOfUse = _readers > 0 && IsCurrent(range);
        }

        // Looked at afterwards: whoever closes the file from now on finds the range.
        if (!isOfUse)
        {
            _store.Streams.DropWritten(range);
        }
    }

    private void KeepStreamed(StreamedRange range, Fetch fetch)
    {
        var isReserved = false;
        try
        {
            isReserved = _store.Space.TryReserve((fetch.End - fetch.First) * BlockMap.BlockBytes, transfers: 1);
            if (isReserved)
            {
                var start = (fetch.First * BlockMap.BlockBytes) - range.Offset;
                var end = Math.Min((fetch.End * BlockMap.BlockBytes) - range.Offset, range.Length);
                Fill(fetch, fetch.First * BlockMap.BlockBytes, range.Memory.Span[(int)start..(int)end]);
            }
        }
        finally
        {
            EndFetch(fetch, null, isReserved);
        }
    }

    /// <summary>The next blocks of the range that are nowhere else, claimed as a fetch claims them; null when there are none.</summary>
    private Fetch? TryClaimStreamed(StreamedRange range, long block)
    {
        const long AtOnce = (1 << 20) / BlockMap.BlockBytes;
        lock (_lock)
        {
            while (block < range.EndBlock && (!IsMissing(block) || _blocks.IsAway(block) || _inFlight.ContainsKey(block)))
            {
                block++;
            }

            return block < range.EndBlock && IsCurrent(range) ? ClaimLocked(block, Math.Min(range.EndBlock, block + AtOnce)) : null;
        }
    }
}
