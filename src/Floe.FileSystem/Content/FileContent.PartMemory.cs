using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Parts that are put together in memory, since the cache has no room for what they lack.</summary>
public sealed partial class FileContent
{
    /// <summary>
    /// The bytes of a part on its way: what is here over the object's, which are asked for in one request. The part's blocks are not dropped meanwhile;
    /// whatever else happens to them changes the part, and makes this of no use. Not through a read: one is followed by reading ahead, for which a full
    /// cache has no room, and makes the part look like the last to be dropped.
    /// </summary>
    private async Task<PartMemory.Body> ReadPartAsync(int part, long bytes, CancellationToken cancellationToken)
    {
        var body = await _store.PartMemory.RentAsync((int)bytes, cancellationToken).ConfigureAwait(false);
        try
        {
            body.Bytes.Span.Clear();
            await ReadMissingAsync(PartGrid.Offset(part), body.Bytes, cancellationToken).ConfigureAwait(false);
            ReadPresent(PartGrid.Offset(part), body.Bytes.Span);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>The object's bytes from the first block that is missing to the last.</summary>
    private async Task ReadMissingAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (true)
        {
            ObjectVersion? source;
            var (from, to) = (0L, 0L);
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
                        from = to == 0 ? block * BlockMap.BlockBytes : from;
                        to = (block + 1) * BlockMap.BlockBytes;
                    }
                }

                to = Math.Min(Math.Min(to, _baseLimit), offset + destination.Length);
                source = _base;
            }

            if (source is null || to <= from)
            {
                return;
            }

            try
            {
                await _store.Client(source.Bucket).ReadRangeAsync(
                    source, from, destination.Slice((int)(from - offset), (int)(to - from)), null, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound && IsReplaced(source))
            {
                // The new version has the same bytes there.
            }
            catch (ObjectStoreException e)
            {
                throw ContentErrors.Map(e, isRead: true);
            }
        }
    }

    /// <summary>What is in the local file; the rest of the destination is left as it is.</summary>
    private void ReadPresent(long offset, Span<byte> destination)
    {
        var end = BlockMap.BlocksOf(offset + destination.Length);
        for (var block = BlockMap.BlockOf(offset); block < end;)
        {
            var run = block;
            LocalFile? local;
            lock (_lock)
            {
                while (run < end && _blocks.IsPresent(run))
                {
                    run++;
                }

                local = _local;
            }

            if (run == block)
            {
                block++;
                continue;
            }

            var from = (int)((block * BlockMap.BlockBytes) - offset);
            var to = (int)Math.Min((run * BlockMap.BlockBytes) - offset, destination.Length);
            local!.Read(offset + from, destination[from..to]);
            block = run;
        }
    }
}
