using System.Runtime.InteropServices;

namespace Floe.Store.Blocks;

/// <summary>
/// A small open-addressing table from block to location, one of the many that make up <see cref="KnownBlocks"/>. It grows by a
/// quarter at a time, so it stays 70 to 87 % full and an entry costs about 30 bytes. The caller holds the shard's lock.
/// </summary>
internal sealed class BlockShard
{
    private Entry[] _entries = [];
    private int _count;

    public int Count => _count;

    /// <summary>A reference to the block's location; <paramref name="found"/> tells whether it was there or was just added with <paramref name="location"/>.</summary>
    public void FindOrAdd(in BlockId id, BlockLocation location, out bool found, out BlockLocation existing)
    {
        if (_count >= _entries.Length - (_entries.Length >> 3))
        {
            Grow();
        }

        ref var entry = ref Probe(_entries, id);
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
        if (_entries.Length == 0)
        {
            return false;
        }

        ref var entry = ref Probe(_entries, id);
        location = entry.Location;
        return entry.IsUsed;
    }

    /// <summary>Gives a block that is in the table a new location.</summary>
    public void Replace(in BlockId id, BlockLocation location) => Probe(_entries, id) = new Entry(id, location);

    private void Grow()
    {
        var old = _entries;
        var grown = new Entry[Math.Max(8, old.Length + (old.Length >> 2))];
        foreach (ref var entry in old.AsSpan())
        {
            if (entry.IsUsed)
            {
                Probe(grown, entry.Id) = entry;
            }
        }

        _entries = grown;
    }

    /// <summary>The block's entry, or the free one where it belongs. There is always a free one.</summary>
    private static ref Entry Probe(Entry[] entries, in BlockId id)
    {
        // The upper half of the hash picks the shard, the lower the place: multiply-shift maps it to any table size.
        var slot = (int)Math.BigMul((ulong)id.Hash, (ulong)entries.Length, out _);
        while (true)
        {
            ref var entry = ref entries[slot];
            if (!entry.IsUsed || entry.Is(id))
            {
                return ref entry;
            }

            slot = slot + 1 == entries.Length ? 0 : slot + 1;
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
