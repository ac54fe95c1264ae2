using System.Runtime.CompilerServices;
using Floe.Store.Blocks;
using Floe.Store.Packs;

namespace Floe.Store;

/// <summary>
/// The blocks of one task that its packs hold already, by content. About 32 bytes of memory a block. Kept by an agent from
/// snapshot to snapshot; a restored agent fills it from what it has read of the snapshot it came from. Safe for concurrent use.
/// </summary>
public sealed class KnownBlocks
{
    private const int ShardCount = 4096;

    private readonly BlockShard[] _shards = new BlockShard[ShardCount];
    private readonly Lock _packsLock = new();
    private readonly List<PackRecord> _packs = [];
    private BlockSeed _seed = BlockSeed.New();
    private long _nextFrame = 1;
    private bool _hasWriter;
    private long _writersBegun;

    public KnownBlocks()
    {
        for (var i = 0; i < ShardCount; i++)
        {
            _shards[i] = new BlockShard();
        }
    }

    /// <summary>Blocks in the table: those known, and a few whose packs are gone and which will be replaced when they turn up again.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            foreach (var shard in _shards)
            {
                lock (shard)
                {
                    count += shard.Count;
                }
            }

            return count;
        }
    }

    internal FrameTable Frames { get; } = new();

    /// <summary>Of all its blocks: that of the snapshot it has learned, or a new one.</summary>
    internal BlockSeed Seed => _seed;

    /// <summary>First frame id never given out.</summary>
    internal long NextFrame => Interlocked.Read(ref _nextFrame);

    /// <summary>
    /// Learns the blocks of a stored snapshot of the same task that <paramref name="reader"/> has read by now. Only those: what lies
    /// beside them in the same packs may be damaged, and a snapshot that counts on it could never be restored.
    /// </summary>
    public void Learn(SnapshotReader reader)
    {
        lock (_packsLock)
        {
            if (_seed != reader.Manifest.Seed && (_packs.Count > 0 || _writersBegun > 0))
            {
                throw new InvalidOperationException("blocks of another seed are known already; learn a snapshot before anything is written");
            }

            _seed = reader.Manifest.Seed;
            _nextFrame = Math.Max(_nextFrame, reader.Manifest.NextFrame);
        }

        if (reader.Map is not { } map)
        {
            return;
        }

        var records = new PackRecord?[reader.Manifest.Packs.Count];
        for (var position = 0; position < map.Count; position++)
        {
            if (map.IsKnownWhole(position))
            {
                Learn(records[map.Pack(position)] ??= AddStoredPack(reader.Manifest.Packs[map.Pack(position)]), map.Entry(position), map.Directory(position));
            }
        }
    }

    /// <summary>Whether a block of this content is stored or about to be: for pre-copy, which then need not send it. The block is borrowed.</summary>
    public bool Contains(ReadOnlySpan<byte> block)
    {
        var id = BlockId.Of(block, _seed);
        var shard = Shard(id);
        lock (shard)
        {
            return shard.TryFind(id, out var location) && Frames.Get(location.Frame).Pack >= 0;
        }
    }

    /// <summary>
    /// True with the block's place and pack (0: a frame still on its way) when it is known; false when it was not and is now, at
    /// <paramref name="place"/>, where the caller must put it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool FindOrAdd(in BlockId id, BlockLocation place, out BlockLocation known, out int pack)
    {
        var shard = Shard(id);
        lock (shard)
        {
            shard.FindOrAdd(id, place, out var found, out known);
            pack = FrameTable.Open;
            if (!found)
            {
                return false;
            }

            pack = Frames.Get(known.Frame).Pack;
            if (pack >= 0)
            {
                return true;
            }

            shard.Replace(id, place);
            known = place;
            return false;
        }
    }

    /// <summary>The first of <paramref name="count"/> consecutive frame ids that nobody else gets.</summary>
    internal uint TakeFrames(int count)
    {
        var end = Interlocked.Add(ref _nextFrame, count);
        return end <= uint.MaxValue ? (uint)(end - count) : throw new InvalidOperationException("this task has used up its 2^32 frame ids; remove its snapshots to begin anew");
    }

    internal PackRecord AddPack()
    {
        lock (_packsLock)
        {
            var record = new PackRecord(_packs.Count + 1);
            _packs.Add(record);
            return record;
        }
    }

    internal PackRecord Pack(int index)
    {
        lock (_packsLock)
        {
            return _packs[index - 1];
        }
    }

    /// <summary>At most one writer at a time: a block of a writer that fails must not have been counted on by another.</summary>
    internal void BeginWriter()
    {
        lock (_packsLock)
        {
            if (_hasWriter)
            {
                throw new InvalidOperationException("another snapshot of this task is being written; commit or dispose it first");
            }

            _hasWriter = true;
            _writersBegun++;
        }
    }

    /// <summary>Forgets every frame that did not become durable.</summary>
    internal void EndWriter()
    {
        lock (_packsLock)
        {
            Frames.Kill(pack => pack == FrameTable.Open || !_packs[pack - 1].IsDurable);
            _hasWriter = false;
        }
    }

    /// <summary>
    /// Forgets the packs that are not to be kept, so that they can be deleted. When a writer has been open at any moment since
    /// <paramref name="since"/>, none is forgotten, and <paramref name="keep"/> grows by all that are known: what the writer refers
    /// to may be named by no manifest yet, or by one that came after <paramref name="keep"/> was read.
    /// </summary>
    /// <returns>Whether there was no writer.</returns>
    internal bool ForgetPacks(HashSet<string> keep, WriterMark since)
    {
        lock (_packsLock)
        {
            if (since.IsOpen || _writersBegun != since.Begun)
            {
                keep.UnionWith(_packs.Where(p => p.IsDurable).Select(p => p.Reference!.Name));
                return false;
            }

            var forgotten = _packs.ConvertAll(p => p.Reference is { } reference && !keep.Contains(reference.Name));
            Frames.Kill(pack => pack > 0 && forgotten[pack - 1]);
            return true;
        }
    }

    /// <summary>The writers up to now, for <see cref="ForgetPacks"/>.</summary>
    internal WriterMark Writers
    {
        get
        {
            lock (_packsLock)
            {
                return new WriterMark(_writersBegun, _hasWriter);
            }
        }
    }

    private PackRecord AddStoredPack(PackReference reference)
    {
        var record = AddPack();
        record.BecomeDurable(reference);
        return record;
    }

    private void Learn(PackRecord pack, in FrameEntry frame, PackDirectory directory)
    {
        if (Frames.Get(frame.Frame).Pack >= 0)
        {
            return;
        }

        Frames.Set(frame.Frame, pack.Index, frame.BlockCount);
        for (var i = 0; i < frame.BlockCount; i++)
        {
            FindOrAdd(directory.Block(frame.FirstBlock + i), new BlockLocation(frame.Frame, i), out _, out _);
        }
    }

    private BlockShard Shard(in BlockId id) => _shards[(int)(id.Hash >> 64) & (ShardCount - 1)];
}

/// <param name="Begun">Writers ever begun.</param>
/// <param name="IsOpen">The last of them has not ended.</param>
internal readonly record struct WriterMark(long Begun, bool IsOpen);
