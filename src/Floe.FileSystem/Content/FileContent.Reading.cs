using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Reading.</summary>
public sealed partial class FileContent
{
    /// <summary>
    /// While a task stands still CRIU reads the first bytes of each file that it has open, in search of a program's id, and the kernel reads ahead: that
    /// is nobody who wants them again.
    /// </summary>
    private const long LookBytes = 1 << 20;

    private ReadAhead? _readAhead;
    private long _evictions;
    private bool _isDropped;

    /// <summary>Fills the destination up to the end of the file. Completes at once where the bytes are local.</summary>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return TryReadLocal(offset, destination.Span, out var count)
            ? ValueTask.FromResult(count)
            : CountAsync(ReadSlowlyAsync(offset, destination, mayLend: false, cancellationToken));

        static async ValueTask<int> CountAsync(ValueTask<FileBytes> reading) => (await reading.ConfigureAwait(false)).Count;
    }

    /// <summary>The same, but bytes that lie in memory are lent and not copied.</summary>
    public ValueTask<FileBytes> ReadOrLendAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return TryReadLocal(offset, destination.Span, mayLend: true, out var bytes)
            ? ValueTask.FromResult(bytes)
            : ReadSlowlyAsync(offset, destination, mayLend: true, cancellationToken);
    }

    private async ValueTask<FileBytes> ReadSlowlyAsync(long offset, Memory<byte> destination, bool mayLend, CancellationToken cancellationToken)
    {
        while (true)
        {
            var size = Size;
            if (offset >= size)
            {
                return default;
            }

            var end = Math.Min(offset + destination.Length, size);
            try
            {
                await FetchAsync(BlockMap.BlockOf(offset), BlockMap.BlocksOf(end), cancellationToken, isRead: true).ConfigureAwait(false);
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace)
            {
                return new FileBytes(await ReadPastCacheAsync(offset, destination[..(int)(end - offset)], cancellationToken).ConfigureAwait(false), null);
            }

            if (TryReadLocal(offset, destination.Span, mayLend, out var bytes))
            {
                return bytes;
            }
        }
    }

    private bool TryReadLocal(long offset, Span<byte> destination, out int count)
    {
        var isHere = TryReadLocal(offset, destination, mayLend: false, out var bytes);
        count = bytes.Count;
        return isHere;
    }

    /// <summary>False where some of it is not here.</summary>
    private bool TryReadLocal(long offset, Span<byte> destination, bool mayLend, out FileBytes bytes)
    {
        long ahead;
        int count;
        bool isHere;
        bytes = default;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDropped, this);
            count = (int)Math.Clamp(_size - offset, 0, destination.Length);
            if (count == 0)
            {
                return true;
            }

            var isLook = _store.IsBeingFrozen && offset + count <= LookBytes;
            _wasReadBack |= _session is not null && !isLook && IsSentIn(PartGrid.Number(offset), PartGrid.Number(offset + count - 1));
            var (range, run) = RunAt(offset, count);
            // Nothing is put into the memory of a reader that has to wait.
            isHere = run > 0;
            for (var at = run; isHere && at < count;)
            {
                var next = RunAt(offset + at, count - at).Length;
                (at, isHere) = (at + next, next > 0);
            }

            if (mayLend && range is not null && run == count)
            {
                range.Users++;
                bytes = new FileBytes(count, new StreamedLoan(range, offset, count));
            }

            ahead = _base is null || _blocks.PresentCount >= BlockMap.BlocksOf(_baseLimit)
                ? 0 : (_readAhead ??= new ReadAhead(_store.MaxReadAheadBytes)).Note(offset, count, isHere: run > 0);
            LastUsed = _store.Tick();
            _use.Touch(offset, count, LastUsed);
        }

        if (ahead > 0)
        {
            FetchAhead(offset + count, ahead);
        }

        if (bytes.Loan is not null)
        {
            return true;
        }

        for (var done = 0; isHere && done < count;)
        {
            if (ReadRun(offset + done, destination[done..count]) is var read and > 0)
            {
                done += read;
            }
            else
            {
                // Dropped in this moment.
                isHere = false;
            }
        }

        bytes = isHere ? new FileBytes(count, null) : default;
        return isHere;
    }

    /// <summary>Reads as far as the bytes lie in one place; 0: they are not here. A drop that ran meanwhile is noticed and the read done again.</summary>
    private int ReadRun(long offset, Span<byte> destination)
    {
        while (true)
        {
            long evictions;
            StreamedRange? range;
            LocalFile? local;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_isDropped, this);
                (range, var length) = RunAt(offset, destination.Length);
                if (length == 0)
                {
                    return 0;
                }

                destination = destination[..length];
                (evictions, local) = (_evictions, _local);
                if (range is not null)
                {
                    range.Users++;
                }
            }

            if (range is not null)
            {
                range.Memory.Span.Slice((int)(offset - range.Offset), destination.Length).CopyTo(destination);
                EndUse(range, destination.Length);
                return destination.Length;
            }

            if (local is not null)
            {
                local.Read(offset, destination);
            }
            else
            {
                destination.Clear();
            }

            lock (_lock)
            {
                if (_evictions == evictions)
                {
                    return destination.Length;
                }
            }
        }
    }

    /// <summary>Under the lock: how many bytes, up to so many, lie in one place from an offset on: in a range in memory, or in the local file (null).</summary>
    private (StreamedRange? Range, int Length) RunAt(long offset, int length)
    {
        if (StreamedAt(offset) is { } range)
        {
            return (range, (int)Math.Min(length, range.Offset + range.Received - offset));
        }

        var block = BlockMap.BlockOf(offset);
        while (block * BlockMap.BlockBytes < offset + length && !IsMissing(block))
        {
            block++;
        }

        return (null, (int)Math.Clamp((block * BlockMap.BlockBytes) - offset, 0, length));
    }

    /// <summary>The cache is full of what must stay: the bytes go straight to the reader. Gives how many there are.</summary>
    private async Task<int> ReadPastCacheAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var done = 0;
        while (done < destination.Length)
        {
            var at = offset + done;
            var wanted = (int)Math.Min(destination.Length - done, ((BlockMap.BlockOf(at) + 1) * BlockMap.BlockBytes) - at);
            if (TryReadLocal(at, destination.Span.Slice(done, wanted), out var count))
            {
                if (count == 0)
                {
                    return done;
                }

                done += count;
                continue;
            }

            ObjectVersion source;
            int ofObject;
            bool isAway;
            lock (_lock)
            {
                var block = BlockMap.BlockOf(at);
                isAway = _blocks.IsAway(block);
                if (!isAway && !IsMissing(block))
                {
                    // It has come, or was cut off, in this moment.
                    continue;
                }

                // All that is missing here in one request.
                for (block++; done + wanted < destination.Length && IsMissing(block) && !_blocks.IsAway(block); block++)
                {
                    wanted = (int)Math.Min(destination.Length - done, wanted + BlockMap.BlockBytes);
                }

                // The object may end, or be cut off, within its last block, and the file go on.
                ofObject = (int)Math.Clamp(_baseLimit - at, 0, wanted);
                source = _base ?? throw new ContentException(ContentErrorKind.Stale, "the file was cut while it was read");
            }

            if (isAway)
            {
                // Only in a sent part of an unfinished upload: then the object is made first.
                await PublishAwayAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            try
            {
                if (ofObject > 0)
                {
                    await _store.ReadsPastCache.WaitAsync(cancellationToken).ConfigureAwait(false);
                    try
                    {
                        await _store.Client(source.Bucket).ReadRangeAsync(source, at, destination.Slice(done, ofObject), null, cancellationToken).ConfigureAwait(false);
                    }
                    finally
                    {
                        _store.ReadsPastCache.Release();
                    }
                }
            }
            catch (ObjectStoreException e)
            {
                if (e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound && await IsReplacedAsync(source).ConfigureAwait(false))
                {
                    continue;
                }

                throw ContentErrors.Map(e, isRead: true);
            }

            destination.Span.Slice(done + ofObject, wanted - ofObject).Clear();
            done += wanted;
        }

        return done;
    }
}

/// <summary>What a read gives.</summary>
/// <param name="Count">Bytes.</param>
/// <param name="Loan">Holds them, for the caller to give back; null: they are in the caller's memory.</param>
public readonly record struct FileBytes(int Count, StreamedLoan? Loan);
