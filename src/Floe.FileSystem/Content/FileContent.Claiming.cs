namespace Floe.FileSystem.Content;

/// <summary>A write's blocks and their space.</summary>
public sealed partial class FileContent
{
    private enum Growth
    {
        /// <summary>The file is in nobody's hands but ours.</summary>
        Ordinary,

        /// <summary>More of the share of files that the kernel reads is this one's.</summary>
        Pinned,

        /// <summary>That share is used up: the space is past the limit, and need not be reserved any more.</summary>
        Overdrawn,
    }

    private readonly record struct Reserved(long Bytes, Growth Growth);

    /// <summary>
    /// A file that the kernel reads itself stays whole in the cache however much it grows. Above the share of such files it takes what the disk has:
    /// waiting for space that only it could give would be for ever, and the rest is for others.
    /// </summary>
    private Growth Grow(long bytes)
    {
        lock (_lock)
        {
            if (_pinnedBytes == 0)
            {
                return Growth.Ordinary;
            }

            if (_store.TryPin(bytes))
            {
                _pinnedBytes += bytes;
                return Growth.Pinned;
            }

            _store.Space.Overdraw(bytes);
            _overdrawnBytes += bytes;
            return Growth.Overdrawn;
        }
    }

    /// <summary>Takes back some of a growth that came to nothing.</summary>
    private void Shrink(Growth growth, long bytes)
    {
        lock (_lock)
        {
            var pinned = growth == Growth.Pinned ? Math.Min(bytes, _pinnedBytes) : 0;
            _pinnedBytes -= pinned;
            _store.Unpin(pinned);
            var overdrawn = growth == Growth.Overdrawn ? Math.Min(bytes, _overdrawnBytes) : 0;
            _overdrawnBytes -= overdrawn;
            _store.Space.Repay(overdrawn);
        }
    }

    /// <summary>
    /// Makes the blocks ours, present and dirty, and writes them, in one hold of the fill lock: a part that began to go up in between would be taken
    /// for sent with the bytes of before. False, or an exception: the file is what it was, and the space is given back.
    /// </summary>
    /// <param name="before">What was known of the first part's bytes.</param>
    private bool TryClaimAndWrite(long offset, ReadOnlySpan<byte> source, Reserved reserved, out Written before)
    {
        var added = new List<(long Block, bool WasDirty)>();
        var end = offset + source.Length;
        before = default;
        using (_fill.Take())
        {
            var (size, wasDirty, used) = (Size, IsDirty, 0);
            try
            {
                var local = Local();
                if (TryClaim(offset, end, reserved.Bytes, added, out before))
                {
                    local.Write(offset, source);
                    used = added.Count;
                    return true;
                }

                return false;
            }
            catch (ContentException)
            {
                used = Unclaim(offset, end, added, size, wasDirty);
                throw;
            }
            finally
            {
                GiveBack(reserved, (long)used * BlockMap.BlockBytes);
            }
        }
    }

    /// <summary>Holding the fill lock. False where one of the blocks changed since it was looked at.</summary>
    /// <param name="added">Gets the blocks that were not here.</param>
    private bool TryClaim(long offset, long end, long reserved, List<(long Block, bool WasDirty)> added, out Written before)
    {
        before = default;
        var first = BlockMap.BlockOf(offset);
        var last = BlockMap.BlockOf(end - 1);
        lock (_lock)
        {
            var isCutFirst = offset > first * BlockMap.BlockBytes && IsMissing(first);
            var isCutLast = end < Math.Min((last + 1) * BlockMap.BlockBytes, _baseLimit) && IsMissing(last);
            if (isCutFirst || isCutLast || AbsentIn(first, last) * BlockMap.BlockBytes > reserved || IsOutOfReach(offset, end))
            {
                return false;
            }

            for (var block = first; block <= last; block++)
            {
                // A fetch that is on its way with this block has lost it, and with it the space it had reserved.
                if (_inFlight.Remove(block))
                {
                    _store.Space.Release(BlockMap.BlockBytes);
                }

                if (_blocks.SetPresent(block))
                {
                    added.Add((block, _blocks.IsDirty(block)));
                }

                _blocks.SetDirty(block);
            }

            before = _written.GetValueOrDefault(PartGrid.Number(offset));
            for (var part = PartGrid.Number(offset); part <= PartGrid.Number(end - 1); part++)
            {
                ChangePart(part);
            }

            _size = Math.Max(_size, end);
            _changes++;
            return true;
        }
    }

    /// <summary>
    /// Holding the fill lock, after a write that the disk refused: what was not here is not again, and the length is the one of before. Only blocks
    /// that were here may have taken some of the new bytes. So may holes of a file that the kernel reads itself, which stay too: somebody may have written to
    /// them through a mapping. Gives how many blocks more there are.
    /// </summary>
    private int Unclaim(long offset, long end, List<(long Block, bool WasDirty)> added, long size, bool wasDirty)
    {
        var all = added.Count;
        lock (_lock)
        {
            if (_pinnedBytes > 0)
            {
                added.RemoveAll(a => a.Block < BlockMap.BlocksOf(size));
            }

            foreach (var (block, wasBlockDirty) in added)
            {
                _blocks.ClearPresent(block);
                if (!wasBlockDirty)
                {
                    _blocks.ClearDirty(block);
                }
            }

            _size = size;
            _evictions++;
            if (!wasDirty && added.Count > BlockMap.BlockOf(end - 1) - BlockMap.BlockOf(offset))
            {
                _published = _changes;
            }
        }

        added.ForEach(a => _local!.Punch(a.Block * BlockMap.BlockBytes, BlockMap.BlockBytes));
        if (end > size)
        {
            _local?.SetLength(size);
        }

        return all - added.Count;
    }

    private void GiveBack(Reserved reserved, long used)
    {
        var unused = reserved.Bytes - used;
        Shrink(reserved.Growth, unused);
        _store.Space.Release(unused);
    }
}
