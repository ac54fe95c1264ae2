using System.Runtime.InteropServices;

namespace Floe.Store.Blocks;

/// <summary>
/// A small open-addressing table from block to location, one of the many that make up <see cref="KnownBlocks"/>. It grows by
/// a quarter at a time, and by one piece while it is small, so a large one stays 70 to 87 % full and an entry costs about 30 bytes. The pieces
/// stay when it grows: no outgrown table is left to the garbage collector while a task stands still. The caller holds the shard's lock.
/// </summary>
internal sealed class BlockShard
{
    private const int PieceBits = 5;
    private const int PieceEntries = 1 << PieceBits;

    [ThreadStatic]
    private static Entry[]? t_moved;

    private Entry[][] _pieces = [];
    private int _count;

    public int Count => _count;

    /// <summary>A reference to the block's location; <paramref name="found"/> tells whether it was there or was just added with <paramref name="location"/>.</summary>
    public void FindOrAdd(in BlockId id, BlockLocation location, out bool found, out BlockLocation existing)
    {
        if (_count >= Length - (Length >> 3))
        {
            Grow();
        }

        ref var entry = ref Probe(id);
        found = entry.IsUsed;
        if (found)
        {
            existing = entry.Location;
            return;
        }

        entry = new Entry(id, location);
        _count++;
        existing = location;
    }

    public bool TryFind(in BlockId id, out BlockLocation location)
    {
        location = default;
        if (Length == 0)
        {
            return false;
        }

        ref var entry = ref Probe(id);
        location = entry.Location;
        return entry.IsUsed;
    }

    /// <summary>Gives a block that is in the table a new location.</summary>
    public void Replace(in BlockId id, BlockLocation location) => Probe(id) = new Entry(id, location);

    private int Length => _pieces.Length << PieceBits;

    private void Grow()
    {
        if (t_moved is null || t_moved.Length < _count)
        {
            t_moved = new Entry[Math.Max(256, _count * 2)];
        }

        var moved = t_moved.AsSpan(0, _count);
        var next = 0;
        foreach (var piece in _pieces)
        {
            foreach (ref var entry in piece.AsSpan())
            {
                if (entry.IsUsed)
                {
                    moved[next++] = entry;
                    entry = default;
                }
            }
        }

        var old = _pieces.Length;
        Array.Resize(ref _pieces, old + Math.Max(1, old >> 2));
        for (var i = old; i < _pieces.Length; i++)
        {
            _pieces[i] = new Entry[PieceEntries];
        }

        foreach (ref var entry in moved)
        {
            Probe(entry.Id) = entry;
        }
    }

    /// <summary>The block's entry, or the free one where it belongs. There is always a free one.</summary>
    private ref Entry Probe(in BlockId id)
    {
        // The upper half of the hash picks the shard, the lower the place: multiply-shift maps it to any table size.
        var slot = (int)Math.BigMul((ulong)id.Hash, (ulong)Length, out _);
        while (true)
        {
            ref var entry = ref _pieces[slot >> PieceBits][slot & (PieceEntries - 1)];
            if (!entry.IsUsed || entry.Is(id))
            {
                return ref entry;
            }

            slot = slot + 1 == Length ? 0 : slot + 1;
        }
    }

    /// <summary>24 bytes. Length (15 bits), ordinal (10 bits) and a used bit share one word.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private readonly struct Entry
    {
        private readonly ulong _hashHigh;
        private readonly ulong _hashLow;
        private readonly uint _frame;
        private readonly uint _packed;

        public Entry(in BlockId id, BlockLocation location)
        {
            _hashHigh = (ulong)(id.Hash >> 64);
            _hashLow = (ulong)id.Hash;
            _frame = location.Frame;
            _packed = 0x8000_0000u | ((uint)id.Length << 10) | (uint)location.Ordinal;
        }

        public bool IsUsed => _packed != 0;

        public BlockId Id => new(new UInt128(_hashHigh, _hashLow), (int)((_packed >> 10) & 0x7FFF));

        public BlockLocation Location => new(_frame, (int)(_packed & 0x3FF));

        public bool Is(in BlockId id) =>
            _hashLow == (ulong)id.Hash && _hashHigh == (ulong)(id.Hash >> 64) && ((_packed >> 10) & 0x7FFF) == (uint)id.Length;
    }
}
