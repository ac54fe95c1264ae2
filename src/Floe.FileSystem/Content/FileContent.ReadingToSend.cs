using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>
/// What is to be sent and is not here: into the cache if it has room, else into memory. Not as a read gets it: that waits for space, and is followed by
/// reading ahead, for which a full cache has no room.
/// </summary>
public sealed partial class FileContent
{
    /// <summary>
    /// For a part that is to be sent, which is a transfer: never waits for space, nor for a fetch that does. All that is missing has space, or nothing is
    /// fetched, for parts that each held some would keep each other from the rest. False: the cache is full, perhaps of this very part's other bytes.
    /// </summary>
    /// <param name="mayPassLimit">True or an exception then: the cache holds what is missing past its limit, until the part is sent.</param>
    private async Task<bool> TryFetchToSendAsync(long first, long end, bool mayPassLimit, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task? moved = null;
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
                        throw LostUpload();
                    }

                    if (_inFlight.TryGetValue(block, out var other))
                    {
                        if (other.Waits.Task.IsCompleted)
                        {
                            if (!mayPassLimit)
                            {
                                return false;
                            }

                            // It waits for the space that this part makes: as a writer does, this takes the block over.
                            _inFlight.Remove(block);
                            _store.Space.Release(BlockMap.BlockBytes);
                            continue;
                        }

                        moved ??= Task.WhenAny(other.Moved.Task, other.Waits.Task).Unwrap();
                    }
                }

                for (var block = first; block < end && moved is null; block++)
                {
                    if (IsMissing(block))
                    {
                        started.Add(ClaimLocked(block, end));
                        block = started[^1].End - 1;
                    }
                }

                moved ??= started.FirstOrDefault()?.Moved.Task;
            }

            if (moved is null)
            {
                return true;
            }

            var bytes = started.Sum(f => f.End - f.First) * BlockMap.BlockBytes;
            if (started.Count > 0 && !_store.Space.TryReserve(bytes, started.Count))
            {
                if (!mayPassLimit)
                {
                    started.ForEach(f => EndFetch(f, null, isReserved: false));
                    return false;
                }

                _store.Space.TakePastLimit(bytes, started.Count);
            }

            foreach (var fetch in started)
            {
                _ = RunFetchAsync(fetch, mayWait: false, isReserved: true);
            }

            try
            {
                await moved.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace && !mayPassLimit)
            {
                return false;
            }
        }
    }

    private async Task<UploadedPart> SendFileAsync(
        IBucketClient client, UploadSession session, int part, long bytes, uint? checksum, CancellationToken stop, CancellationToken cancellationToken)
    {
        LocalFile local;
        using (_fill.Take())
        {
            // A file of nothing but zeros may not exist yet.
            local = Local();
            if (local.Length() < PartGrid.Offset(part) + bytes)
            {
                local.SetLength(PartGrid.Offset(part) + bytes);
            }
        }

        using var file = local.Open();
        return await client.UploadPartAsync(session.Ticket, part, file.Handle, PartGrid.Offset(part), bytes, checksum, stop, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The bytes of a part on its way. If the part changes meanwhile they are of no use.</summary>
    private async Task<PartMemory.Body> ReadPartAsync(int part, long bytes, CancellationToken cancellationToken)
    {
        var body = await _store.PartMemory.RentAsync((int)bytes, cancellationToken).ConfigureAwait(false);
        try
        {
            await ReadWithoutCachingAsync(PartGrid.Offset(part), body.Bytes, cancellationToken).ConfigureAwait(false);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>Fills the destination, which begins at a block's start: the object's bytes in one request, and what is here over them.</summary>
    private async Task ReadWithoutCachingAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (true)
        {
            destination.Span.Clear();
            var (from, to) = await ReadMissingAsync(offset, destination, cancellationToken).ConfigureAwait(false);

            // Nothing is dropped while this is held, but something may have been before.
            using (_fill.Share())
            {
                if (!TryReadPresent(offset, destination.Span, from, to))
                {
                    continue;
                }
            }

            NoteSent(offset, destination.Span);
            return;
        }
    }

    /// <summary>The object's bytes from the first block that is missing to the last. Gives the blocks.</summary>
    private async Task<(long First, long End)> ReadMissingAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (true)
        {
            ObjectVersion? source;
            var (first, end) = (0L, 0L);
            long limit;
            lock (_lock)
            {
                for (var block = BlockMap.BlockOf(offset); block < BlockMap.BlocksOf(offset + destination.Length); block++)
                {
                    if (_blocks.IsAway(block))
                    {
                        throw LostUpload();
                    }

                    if (IsMissing(block))
                    {
                        (first, end) = (end == 0 ? block : first, block + 1);
                    }
                }

                (source, limit) = (_base, _baseLimit);
            }

            var from = first * BlockMap.BlockBytes;
            var to = Math.Min(Math.Min(end * BlockMap.BlockBytes, limit), offset + destination.Length);
            if (source is null || to <= from)
            {
                return (first, end);
            }

            try
            {
                await _store.Client(source.Bucket).ReadRangeAsync(
                    source, from, destination.Slice((int)(from - offset), (int)(to - from)), null, cancellationToken).ConfigureAwait(false);
                return (first, end);
            }
            catch (ObjectStoreException e)
            {
                // Else the new version has the same bytes there.
                if (e.Kind is not (ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound) || !await IsReplacedAsync(source).ConfigureAwait(false))
                {
                    throw ContentErrors.Map(e, isRead: true);
                }
            }
        }
    }

    /// <summary>Holding the fill lock: puts what the local file has over what came from the object. False where neither has it.</summary>
    private bool TryReadPresent(long offset, Span<byte> destination, long firstRead, long endRead)
    {
        var end = BlockMap.BlocksOf(offset + destination.Length);
        for (var block = BlockMap.BlockOf(offset); block < end;)
        {
            var run = block;
            LocalFile? local;
            lock (_lock)
            {
                while (run < end && !IsMissing(run))
                {
                    run++;
                }

                local = _local;
            }

            if (run == block)
            {
                if (block < firstRead || block >= endRead)
                {
                    return false;
                }

                block++;
                continue;
            }

            // What is nowhere is zeros, and so a hole of the local file.
            var from = (int)((block * BlockMap.BlockBytes) - offset);
            var to = (int)Math.Min((run * BlockMap.BlockBytes) - offset, destination.Length);
            local?.Read(offset + from, destination[from..to]);
            block = run;
        }

        return true;
    }
}
