using System.Buffers;
using System.IO.Hashing;
using System.Security.Cryptography;

namespace Floe.FileSystem.Content;

/// <summary>
/// Changes of the local file that came past this object: through shared mappings of a file that the kernel has been given (FUSE passthrough).
/// Nothing tells of them, so blocks are compared by their hashes. Where the file system moves the modification time for mapped writes
/// (<see cref="LocalFiles.TellsMappedWrites"/>) the file is marked by it, and as long as it stands nothing is read: programs open inputs for reading
/// and writing and never write.
/// </summary>
public sealed partial class FileContent
{
    private const int MaxHashingThreads = 8;

    private const int BlocksAtOnce = 16;

    // Without a seed two blocks of one hash can be written down by hand. The hashes are this process's alone.
    private static readonly long s_seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

    private readonly SemaphoreSlim _noting = new(1);
    private bool _isMappable;

    // Nothing has written to the local file since it was marked, if the mark stands.
    private bool _isMarked;

    // Blocks were found to be written, and whoever asks has not been told.
    private bool _wasMappedWritten;

    // Of each block as it was last taken in, or last read to be sent. Null: not known, of a file that was marked.
    private UInt128[]? _hashes;

    /// <summary>From here on the local file may be written through mappings. To be called before anybody can make one.</summary>
    internal async Task NoteMappableAsync(CancellationToken cancellationToken)
    {
        // Whoever comes second must not be through before the first: it could write what the first takes for the file as it was.
        await _noting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isMappable)
            {
                return;
            }

            var isMarked = _store.LocalFiles.TellsMappedWrites && _local!.TryMark();
            var hashes = isMarked && Size > _store.Options.MaxHashedFileBytes ? null : await HashBlocksAsync(cancellationToken).ConfigureAwait(false);
            lock (_lock)
            {
                (_isMappable, _isMarked, _hashes) = (true, isMarked, hashes);
            }
        }
        finally
        {
            _noting.Release();
        }
    }

    /// <summary>Nobody can change it so any more.</summary>
    internal void ForgetMappable()
    {
        lock (_lock)
        {
            (_isMappable, _isMarked, _hashes) = (false, false, null);
        }
    }

    /// <summary>
    /// What was written so counts as written. Of a large file all does, unless its hashes were known. False: nothing was since this was asked last.
    /// </summary>
    /// <param name="released">Ends the waiting for a publication in the gate, as for a writer.</param>
    internal async Task<bool> TakeMappedAsync(CancellationToken released, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Once more behind the writers who were let go first.
            await EnterAsWriterAsync(released, cancellationToken).ConfigureAwait(false);
            try
            {
                if (await TryHoldOffAsync(token => TakeMappedInGateAsync(needsHashes: false, token), cancellationToken).ConfigureAwait(false))
                {
                    lock (_lock)
                    {
                        (var wasWritten, _wasMappedWritten) = (_wasMappedWritten, false);
                        return wasWritten;
                    }
                }
            }
            finally
            {
                _gate.Release();
            }
        }
    }

    /// <summary>In the gate, before a request changes the file: from then on the mark says nothing of mappings, and only hashes do.</summary>
    /// <param name="released">The writer is being frozen, and a large file takes long: all of it counts as written then, as it does for another such writer.</param>
    /// <returns>False: that, which need not be done once more for the same change.</returns>
    private async ValueTask<bool> HashBeforeChangeAsync(CancellationToken released, CancellationToken cancellationToken)
    {
        bool isUnknown;
        lock (_lock)
        {
            isUnknown = _isMappable && _hashes is null;
        }

        if (!isUnknown)
        {
            return true;
        }

        // It goes on by itself, and may take longer than others wait where nothing does.
        _store.Space.BeginTransfer();
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(released, cancellationToken);
            if (await TryHoldOffAsync(token => TakeMappedInGateAsync(needsHashes: true, token), either.Token).ConfigureAwait(false))
            {
                return true;
            }
        }
        catch (OperationCanceledException) when (released.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
        }
        finally
        {
            _store.Space.EndTransfer();
        }

        CountAllAsWritten();
        return false;
    }

    /// <summary>True, for <see cref="TryHoldOffAsync"/>.</summary>
    private async Task<bool> TakeMappedInGateAsync(bool needsHashes, CancellationToken cancellationToken)
    {
        bool isMarked;
        lock (_lock)
        {
            if (!_isMappable)
            {
                return true;
            }

            isMarked = _isMarked;
        }

        isMarked = isMarked && _local!.IsMarked();
        if (isMarked && !needsHashes)
        {
            return true;
        }

        var hashes = await HashBlocksAsync(cancellationToken).ConfigureAwait(false);
        // Of what was written meanwhile the hashes are not those of before.
        isMarked = isMarked && _local!.IsMarked();
        using (_fill.Take())
        {
            lock (_lock)
            {
                // Compared now: a part that was read to be sent meanwhile has its hashes here.
                var known = _hashes ?? (isMarked ? hashes : []);
                var changed = Enumerable.Range(0, hashes.Length).Where(i => i >= known.Length || hashes[i] != known[i]).Select(i => (long)i).ToList();
                (_isMarked, _hashes) = (isMarked, hashes);
                CountAsWritten(changed);
            }
        }

        return true;
    }

    /// <summary>What was written cannot be told, since the local file cannot be read: all of it counts as written, and what can be published of it is.</summary>
    internal void CountAllAsWritten()
    {
        using (_fill.Take())
        {
            lock (_lock)
            {
                CountAsWritten([.. Enumerable.Range(0, (int)BlockMap.BlocksOf(_size)).Select(i => (long)i)]);
            }
        }
    }

    /// <summary>Holding the fill lock and the lock.</summary>
    private void CountAsWritten(List<long> blocks)
    {
        MakeDirty(blocks);
        foreach (var part in blocks.Select(b => PartGrid.Number(b * BlockMap.BlockBytes)).Distinct())
        {
            ChangePart(part);
        }

        _changes += blocks.Count > 0 ? 1 : 0;
    }

    /// <summary>Holding the fill lock and the lock.</summary>
    private void MakeDirty(List<long> blocks)
    {
        foreach (var block in blocks)
        {
            if (_blocks.SetPresent(block) && Grow(BlockMap.BlockBytes) != Growth.Overdrawn)
            {
                // A hole of the file: space that nobody reserved.
                _store.Space.Release(-BlockMap.BlockBytes);
            }

            _blocks.SetDirty(block);
            _wasMappedWritten = true;
        }
    }

    /// <summary>Whether a part has to be sent from one copy, since the local file may change while it is read: who opens it next may map it.</summary>
    private bool MayBecomeMappable
    {
        get
        {
            lock (_lock)
            {
                return _isMappable || _pins > 0;
            }
        }
    }

    private bool IsMappable
    {
        get
        {
            lock (_lock)
            {
                return _isMappable;
            }
        }
    }

    /// <summary>
    /// What has been read to be sent is what later changes are told from: a byte that was changed before it was read, and back after it, would
    /// look as if nobody had touched it. The part goes up with the change; if it does not arrive, the block is dirty.
    /// </summary>
    private void NoteSent(long offset, ReadOnlySpan<byte> bytes)
    {
        if (!IsMappable)
        {
            return;
        }

        var first = BlockMap.BlockOf(offset);
        var sent = new UInt128[BlockMap.BlocksOf(bytes.Length)];
        var last = new byte[BlockMap.BlockBytes];
        for (var i = 0; i < sent.Length; i++)
        {
            var block = bytes[(i * BlockMap.BlockBytes)..];
            if (block.Length < BlockMap.BlockBytes)
            {
                // The local file has zeros there.
                block.CopyTo(last);
                block = last;
            }

            sent[i] = XxHash128.HashToUInt128(block[..BlockMap.BlockBytes], s_seed);
        }

        using (_fill.Take())
        {
            lock (_lock)
            {
                if (_hashes is { } hashes)
                {
                    var changed = Enumerable.Range(0, sent.Length).Select(i => first + i).Where(b => b < hashes.Length && hashes[b] != sent[b - first]).ToList();
                    MakeDirty(changed);
                    changed.ForEach(b => hashes[b] = sent[b - first]);
                    // An earlier reading of it, which may yet become the object, has other bytes.
                    _changes += changed.Count > 0 ? 1 : 0;
                }
            }
        }
    }

    /// <summary>A hash for each block of the local file as it is now, by several threads of the pool: nobody's server thread reads it.</summary>
    private async Task<UInt128[]> HashBlocksAsync(CancellationToken cancellationToken)
    {
        var hashes = new UInt128[BlockMap.BlocksOf(Size)];
        var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 1, MaxHashingThreads), CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, (hashes.Length + BlocksAtOnce - 1) / BlocksAtOnce, options, (run, _) =>
        {
            var buffer = ArrayPool<byte>.Shared.Rent(BlocksAtOnce * BlockMap.BlockBytes);
            try
            {
                // At once, for who waits in front of the gate.
                cancellationToken.ThrowIfCancellationRequested();
                var first = run * BlocksAtOnce;
                var blocks = Math.Min(BlocksAtOnce, hashes.Length - first);
                _store.NoteHashed(blocks * BlockMap.BlockBytes);
                _local!.Read((long)first * BlockMap.BlockBytes, buffer.AsSpan(0, blocks * BlockMap.BlockBytes));
                for (var i = 0; i < blocks; i++)
                {
                    hashes[first + i] = XxHash128.HashToUInt128(buffer.AsSpan(i * BlockMap.BlockBytes, BlockMap.BlockBytes), s_seed);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            return ValueTask.CompletedTask;
        }).ConfigureAwait(false);
        return hashes;
    }
}
