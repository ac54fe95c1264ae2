using System.Buffers;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Parts of which the object that the file rests on has some bytes, when they go up.</summary>
public sealed partial class FileContent
{
    /// <summary>Parts up to here may be put together in memory when the cache is full.</summary>
    private const int MaxMemoryPartBytes = 32 << 20;

    /// <summary>Brings what a part lacks into the cache. False: the cache is full, perhaps of this very part's other bytes.</summary>
    private async Task<bool> TryCompleteAsync(long first, long end, long bytes, CancellationToken cancellationToken)
    {
        if (bytes <= MaxMemoryPartBytes)
        {
            try
            {
                return await TryFetchToSendAsync(first, end, cancellationToken).ConfigureAwait(false);
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace)
            {
                // The disk itself is full.
                return false;
            }
        }

        // Too long for memory. It waits for space itself, and so is no hope for others who do.
        _store.Space.EndTransfer();
        try
        {
            return await TryFetchAsync(first, end, mayWait: true, cancellationToken).ConfigureAwait(false) ? true : throw LostUpload();
        }
        finally
        {
            _store.Space.BeginTransfer();
        }
    }

    /// <summary>
    /// What a part lacks, into the local file, for it to be sent. False: not without waiting for space. Whoever waits for space rests their hope on parts
    /// that are on their way, so none of those may wait for space in turn: neither for its own nor for that of another's fetch.
    /// </summary>
    private async Task<bool> TryFetchToSendAsync(long first, long end, CancellationToken cancellationToken)
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
                        if (!other.IsReserved)
                        {
                            return false;
                        }

                        moved ??= other.Moved.Task;
                    }
                }

                for (var block = first; moved is null && block < end; block++)
                {
                    if (IsMissing(block))
                    {
                        started.Add(ClaimLocked(block, end));
                        block = started[^1].End - 1;
                    }
                }
            }

            if (moved is not null)
            {
                await moved.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (started.Count == 0)
            {
                return true;
            }

            var ran = await Task.WhenAll(started.Select(fetch => RunFetchAsync(fetch, mayWait: false))).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (ran.Contains(false))
            {
                return false;
            }

            foreach (var fetch in started)
            {
                // Ended: throws what went wrong.
                await fetch.Moved.Task.ConfigureAwait(false);
            }
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
            await ReadPastCacheAsync(PartGrid.Offset(part), body, isSend: true, cancellationToken).ConfigureAwait(false);
            return await client.UploadPartAsync(session.Ticket, part, body, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _store.MemoryParts.Release();
        }
    }
}
