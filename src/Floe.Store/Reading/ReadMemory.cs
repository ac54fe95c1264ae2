using System.Collections.Concurrent;
using Floe.Linux;
using Floe.Store.Compression;

namespace Floe.Store.Reading;

/// <summary>
/// The memory of all reads of one snapshot together. A restore reads as many streams at a time as it makes processes: each gets its share of the
/// decompressed frames while it is open, so one alone gets all of them, and what one has above its share goes as soon as it is done with it.
/// Whoever takes its streams may wait for one while it leaves another lying, so <see cref="MinCells"/> are any read's without waiting for the others.
/// Ranges on their way to become frames wait for nobody but the store, and are shared as they come.
/// </summary>
internal sealed class ReadMemory(ReadBudget budget)
{
    /// <summary>Four of the longest frames: one being taken, one given before it, and two being fetched.</summary>
    public const int MinCells = 4 * BlockFormat.MaxFrameBytes / FrameSlot.CellBytes;

    private readonly Lock _lock = new();
    private readonly ConcurrentBag<NativeBuffer> _buffers = [];
    private readonly ConcurrentBag<ZstdDecompressor> _decompressors = [];
    private int _openCount;
    private int _cells;

    public int RangeBytes => budget.RangeBytes;

    /// <summary>Bytes of a range that do not go where they stay.</summary>
    public int BufferBytes => budget.BufferBytes;

    /// <summary>One is held for every range on its way.</summary>
    public SemaphoreSlim Ranges { get; } = new(budget.Ranges);

    /// <summary>Memory that all reads have now.</summary>
    public int Cells => Volatile.Read(ref _cells);

    /// <summary>How many a batch that is planned now begins no further frame with: two batches are the consumer's, so a read's share holds eight.</summary>
    public int BatchCells => Share() / 8;

    public void Open() => Interlocked.Increment(ref _openCount);

    /// <summary>After all the read's slots were given back. The last one to close takes all memory with it.</summary>
    public void Close()
    {
        if (Interlocked.Decrement(ref _openCount) > 0)
        {
            return;
        }

        // Another may be opening: what it rents meanwhile is not in here.
        while (_buffers.TryTake(out var buffer))
        {
            ((IDisposable)buffer).Dispose();
        }

        while (_decompressors.TryTake(out var decompressor))
        {
            decompressor.Dispose();
        }
    }

    /// <summary>A further slot for a read that has <paramref name="owned"/> cells; null when it must do with those.</summary>
    public FrameSlot? TryAdd(int owned, int cells)
    {
        lock (_lock)
        {
            if (owned + cells > MinCells && (owned + cells > Share() || _cells + cells > budget.Cells))
            {
                return null;
            }

            _cells += cells;
        }

        return new FrameSlot(cells);
    }

    /// <summary>Whether a read that has so many cells must give some back when it can.</summary>
    public bool IsTooMany(int owned) => owned > Share() || (owned > MinCells && Cells > budget.Cells);

    public void Remove(FrameSlot slot)
    {
        slot.Dispose();
        lock (_lock)
        {
            _cells -= slot.Cells;
        }
    }

    /// <summary>Memory for what of one range must be decompressed, and what does it.</summary>
    public (NativeBuffer Buffer, ZstdDecompressor Zstd) Rent() => (
        _buffers.TryTake(out var rested) ? rested : new NativeBuffer(budget.BufferBytes),
        _decompressors.TryTake(out var idle) ? idle : new ZstdDecompressor());

    public void Return(NativeBuffer buffer, ZstdDecompressor zstd)
    {
        _buffers.Add(buffer);
        _decompressors.Add(zstd);
    }

    private int Share() => Math.Max(MinCells, budget.Cells / Math.Max(1, Volatile.Read(ref _openCount)));
}
