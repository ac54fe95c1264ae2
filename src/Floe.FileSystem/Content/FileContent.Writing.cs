namespace Floe.FileSystem.Content;

/// <summary>Changing bytes and length.</summary>
public sealed partial class FileContent
{
    /// <summary>So much the file system's own appends go past the cache's limit at most, all together with what else did.</summary>
    private const long MaxAppendedPastLimit = 64 << 20;

    // Where the last write ended: when a writer goes on to the next part, the one it left can go up.
    private int _activePart;

    /// <summary>
    /// Writes all of the source, growing the file where it must. Waits while the cache is full and something can go up, and for a time while others may
    /// close their files or what failed to go up may pass.
    /// </summary>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> source, CancellationToken cancellationToken) =>
        WriteAsync(offset, source, _store.BeingFrozen, cancellationToken);

    /// <inheritdoc cref="WriteAsync(long, ReadOnlyMemory{byte}, CancellationToken)"/>
    /// <param name="released">The writer is being frozen: room for its bytes is no longer waited for, they get it.</param>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> source, CancellationToken released, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (!HasDirtyBlocks())
        {
            await _store.Backlog.WaitAsync(1, released, cancellationToken).ConfigureAwait(false);
        }

        await ChangeAsync(() => TryWriteAsync(offset, source, waits: true, released, cancellationToken), waits: true, released, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Writes at the end as it is at that moment, whoever else appends; gives the offset. For this process's own appends: whose room it would wait for may be
    /// waiting for it. So nobody is waited for who could close a file: it goes a little past the cache's limit, and is an error where the disk is full.
    /// </summary>
    public async ValueTask<long> AppendAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken)
    {
        long offset = 0;
        var released = _store.BeingFrozen;
        await ChangeAsync(() => TryWriteAsync(offset = Size, source, waits: false, released, cancellationToken), waits: false, released, cancellationToken).ConfigureAwait(false);
        return offset;
    }

    /// <summary>The new length. Nobody who is being frozen waits in it for a publication, nor until a large file was read for what mappings wrote.</summary>
    public async ValueTask TruncateAsync(long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        CheckSize(size);
        await ChangeAsync(() => ValueTask.FromResult(TryCut(size)), waits: true, _store.BeingFrozen, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// A change in the gate. One that answers false has done nothing: what it needs of bytes that lie only in sent parts of an unfinished upload
    /// is brought within reach, by publishing the file as it is, and it is tried again. So is one that has no space while sent parts are kept here that
    /// could be dropped else: by a hold, at whose end the publication comes, or since older bytes may replace them until then. Who is being frozen does not wait
    /// for that one, which goes on: it has its space past the limit.
    /// </summary>
    /// <param name="waits">For room that others may make.</param>
    /// <param name="released">Ends the waiting for a publication in the gate, which lets go, and for room.</param>
    private async ValueTask ChangeAsync(Func<ValueTask<bool>> tryChange, bool waits, CancellationToken released, CancellationToken cancellationToken)
    {
        RoomWait? wait = null;
        var isAllCounted = false;
        try
        {
            while (true)
            {
                ContentException? refusal = null;
                var keepsSentParts = false;
                await EnterAsWriterAsync(released, cancellationToken).ConfigureAwait(false);
                try
                {
                    isAllCounted = isAllCounted || !await HashBeforeChangeAsync(released, cancellationToken).ConfigureAwait(false);
                    if (await tryChange().ConfigureAwait(false))
                    {
                        return;
                    }
                }
                catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace)
                {
                    (refusal, keepsSentParts) = (e, KeepsSentParts());
                }
                finally
                {
                    _gate.Release();
                }

                if (refusal is null)
                {
                    await PublishAwayAsync(cancellationToken).ConfigureAwait(false);
                }
                else if (keepsSentParts && !released.IsCancellationRequested)
                {
                    await PublishKeptAsync(released, cancellationToken).ConfigureAwait(false);
                }
                else if (!waits || !await (wait ??= new RoomWait(_store, this)).GoOnAsync(released, cancellationToken).ConfigureAwait(false))
                {
                    throw _store.Refuse(refusal);
                }
            }
        }
        finally
        {
            wait?.Dispose();
        }
    }

    private bool HasDirtyBlocks()
    {
        lock (_lock)
        {
            return _blocks.DirtyCount > 0;
        }
    }

    private static void CheckSize(long end)
    {
        if (end > PartGrid.MaxObjectBytes)
        {
            throw new ContentException(ContentErrorKind.TooLarge, "S3 takes objects up to 5 TiB");
        }
    }

    /// <summary>In the gate. False: it changes a part of which something is out of reach.</summary>
    private async ValueTask<bool> TryWriteAsync(long offset, ReadOnlyMemory<byte> source, bool waits, CancellationToken released, CancellationToken cancellationToken)
    {
        if (source.Length == 0)
        {
            return true;
        }

        var end = offset + source.Length;
        CheckSize(end);
        var first = BlockMap.BlockOf(offset);
        var last = BlockMap.BlockOf(end - 1);
        Written before;
        while (true)
        {
            // Looked at before space is waited for, which publishing may give; and again with the claim, since waiting for space drops sent parts.
            if (IsOutOfReach(offset, end))
            {
                return false;
            }

            // What a write leaves of the object's bytes in its first and last block has to be here first.
            if (offset > first * BlockMap.BlockBytes && !await TryFetchAsync(first, first + 1, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            if (end < Math.Min((last + 1) * BlockMap.BlockBytes, BaseLimit) && !await TryFetchAsync(last, last + 1, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            var bytes = AbsentIn(first, last) * BlockMap.BlockBytes;
            var reserved = await ReserveAsync(bytes, waits, released, cancellationToken).ConfigureAwait(false);
            try
            {
                if (TryClaimAndWrite(offset, source.Span, reserved, out before))
                {
                    if (bytes > 0)
                    {
                        _store.NoteRoom();
                    }

                    break;
                }
            }
            catch (ContentException e) when (e.Kind == ContentErrorKind.NoSpace)
            {
                var refused = (last + 1 - first) * BlockMap.BlockBytes;
                if (waits)
                {
                    await _store.Space.MakeRoomOnDiskAsync(refused, cancellationToken).ConfigureAwait(false);
                }
                else if (!_store.Space.TryMakeRoomOnDisk(refused))
                {
                    throw;
                }
            }
        }

        Touch(offset, source.Length);
        NoteChecksums(offset, source.Span, before);
        NoteWritten(offset, end);
        return true;
    }

    private async ValueTask<Reserved> ReserveAsync(long bytes, bool waits, CancellationToken released, CancellationToken cancellationToken)
    {
        var growth = Grow(bytes);
        if (growth != Growth.Overdrawn && (waits || !_store.Space.TryReserve(bytes, MaxAppendedPastLimit)))
        {
            try
            {
                await _store.Space.ReserveAsync(bytes, released, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                Shrink(growth, bytes);
                throw;
            }
        }

        return new Reserved(bytes, growth);
    }

    private long BaseLimit
    {
        get
        {
            lock (_lock)
            {
                return _baseLimit;
            }
        }
    }

    private long AbsentIn(long first, long last)
    {
        lock (_lock)
        {
            long count = 0;
            for (var block = first; block <= last; block++)
            {
                count += _blocks.IsPresent(block) ? 0 : 1;
            }

            return count;
        }
    }

    /// <summary>
    /// The new length: what lies behind it is gone, also from the object's bytes; what is put in its place reads as zeros. False: out of reach.
    /// </summary>
    private bool TryCut(long size)
    {
        using (_fill.Take())
        {
            long freed = 0;
            var isShorter = false;
            lock (_lock)
            {
                if (size == _size)
                {
                    return true;
                }

                if (IsCutOutOfReach(size))
                {
                    return false;
                }

                isShorter = size < _size;
                if (isShorter)
                {
                    var keep = BlockMap.BlocksOf(size);
                    for (var block = keep; block < Math.Min(_blocks.Limit, BlockMap.BlocksOf(_size)); block++)
                    {
                        freed += _blocks.ClearPresent(block) ? 1 : 0;
                        _blocks.ClearDirty(block);
                    }

                    foreach (var block in _inFlight.Keys.Where(b => b >= keep).ToList())
                    {
                        _inFlight.Remove(block);
                        freed++;
                    }

                    _baseLimit = Math.Min(_baseLimit, size);
                    CutParts(size);
                }
                else
                {
                    ChangePart(PartGrid.Count(_size));
                }

                // Space past the limit is the first to be paid back: what is left for others stays the same.
                var repaid = Math.Min(freed * BlockMap.BlockBytes, _overdrawnBytes);
                _overdrawnBytes -= repaid;
                _store.Space.Repay(repaid);
                _size = size;
                _capLimit = Math.Min(_capLimit, size);
                _unanswered.ForEach(u => u.CapLimit = Math.Min(u.CapLimit, size));
                _changes++;
                _evictions += isShorter ? 1 : 0;
                NotePartsLeft();
            }

            if (isShorter || _pins > 0)
            {
                // Also zeros the rest of the last block. The kernel reads a pinned file itself, up to its end.
                _local?.SetLength(size);
            }

            _store.Space.Release(freed * BlockMap.BlockBytes);
            return true;
        }
    }

    /// <summary>When the writer has left a part, that part goes up while it writes on.</summary>
    private void NoteWritten(long offset, long end)
    {
        var part = PartGrid.Number(end - 1);
        var left = 0;
        lock (_lock)
        {
            if (_activePart != part)
            {
                (left, _activePart) = (_activePart == 0 ? PartGrid.Number(offset) : _activePart, part);
            }
        }

        for (var p = Math.Min(left, part); left > 0 && p < Math.Max(left, part) && p < part; p++)
        {
            SendInBackground(p);
        }

        if (left > part)
        {
            SendInBackground(left);
        }
    }
}
