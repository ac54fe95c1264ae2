namespace Floe.FileSystem.Content;

/// <summary>Dropping what can be had again.</summary>
public sealed partial class FileContent
{
    private readonly ChunkUse _use = new();

    /// <summary>
    /// Drops blocks that can be had again, those used longest ago first; gives how many bytes. What only an unfinished upload has then goes last: to
    /// have it again the file must be published as it is.
    /// </summary>
    /// <param name="waits">Else a content that is being filled is passed over.</param>
    internal long Evict(long bytes, bool waits)
    {
        using var taken = waits ? _fill.Take() : _fill.TryTake();
        if (taken.IsTaken && !_isDropped)
        {
            IReadOnlyList<long> chunks;
            lock (_lock)
            {
                chunks = _use.Oldest(_blocks);
            }

            long freed = 0;
            foreach (var (chunk, isDirty) in chunks.Select(c => (c, false)).Concat(chunks.Select(c => (c, true))))
            {
                freed += EvictChunk(chunk, isDirty);
                if (freed >= bytes)
                {
                    break;
                }
            }

            return freed;
        }

        return 0;
    }

    private long EvictChunk(long chunk, bool isDirty)
    {
        var end = (chunk + 1) * ChunkUse.ChunkBlocks;
        long freed = 0;
        for (var block = chunk * ChunkUse.ChunkBlocks; block < end; block++)
        {
            var run = block;
            lock (_lock)
            {
                while (run < end && _blocks.IsDirty(run) == isDirty && CanDrop(run))
                {
                    _blocks.ClearPresent(run++);
                }

                _evictions += run > block ? 1 : 0;
            }

            if (run > block)
            {
                var count = (run - block) * BlockMap.BlockBytes;
                try
                {
                    _local!.Punch(block * BlockMap.BlockBytes, count);
                }
                finally
                {
                    // What the disk does not give back is not the cache's any more either: the next that fills the blocks counts them again.
                    _store.Space.Release(count);
                }

                freed += count;
                block = run;
            }
        }

        lock (_lock)
        {
            var left = _blocks.NextPresent(end - ChunkUse.ChunkBlocks);
            if (left < 0 || left >= end)
            {
                _use.Forget(chunk);
            }
        }

        return freed;
    }

    /// <summary>Under the lock: whether the block is here and can be had again.</summary>
    private bool CanDrop(long block)
    {
        if (!_blocks.IsPresent(block) || _pins > 0 || _target is null)
        {
            return false;
        }

        // In a hold the upload may be given up for one to another key; while all stands still a snapshot may be about to read the bytes.
        var part = PartGrid.Number(block * BlockMap.BlockBytes);
        return !_sending.ContainsKey(part) && (!_blocks.IsDirty(block) || (_holds == 0 && !_store.StandsStill && IsSentForGood(part)));
    }

    private bool IsSentForGood(int part) => IsSent(part) && !MayBeReplaced(part);

    /// <summary>The service may yet put an older version of a sent part in its place: then the bytes have to be here to be sent again.</summary>
    private bool MayBeReplaced(int part) =>
        _session is { } session && session.Unanswered.TryGetValue(part, out var version) && version != VersionOf(part);

    private bool KeepsSentParts()
    {
        lock (_lock)
        {
            return _holds > 0 || (_session is { } session && session.Unanswered.Keys.Any(p => IsSent(p) && MayBeReplaced(p)));
        }
    }

    private void Touch(long offset, long bytes)
    {
        LastUsed = _store.Tick();
        lock (_lock)
        {
            _use.Touch(offset, bytes, LastUsed);
        }
    }
}
