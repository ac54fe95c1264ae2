using System.Collections.Concurrent;
using Floe.Linux;
using Floe.Store.Compression;

namespace Floe.Store.Reading;

/// <summary>
/// The memory of all reads of one snapshot together. A restore reads as many streams at a time as it makes processes: each gets its share of the
/// decompressed frames while it is open, so one alone gets all of them, and what one has above its share goes as soon as it is done with it.
/// Whoever takes its streams may wait for one while it leaves another lying, so <see cref="MinSlots"/> are any read's without waiting for the others.
/// Ranges on their way to become frames wait for nobody but the store, and are shared as they come.
/// </summary>
internal sealed class ReadMemory(ReadBudget budget)
{
    /// <summary>One being taken, one given before it, and two being fetched.</summary>
    public const int MinSlots = 4;

    private readonly Lock _lock = new();
    private readonly ConcurrentBag<NativeBuffer> _buffers = [];
    private readonly ConcurrentBag<ZstdDecompressor> _decompressors = [];
    private int _openCount;
    private int _slotCount;

    public int RangeBytes => budget.RangeBytes;

    /// <summary>One is held for every range on its way.</summary>
    public SemaphoreSlim Ranges { get; } = new(budget.Ranges);

    /// <summary>Frames that all reads have memory for now.</summary>
    public int SlotCount => Volatile.Read(ref _slotCount);

    /// <summary>Frames in a batch that is planned now: a read's share holds four.</summary>
    public int BatchFrames => Share() / 4;

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

    /// <summary>A further slot for a read that has <paramref name="owned"/> of them; null when it must do with those.</summary>
    public FrameSlot? TryAdd(int owned)
    {
        lock (_lock)
        {
            if (owned >= MinSlots && (owned >= Share() || _slotCount >= budget.FrameSlots))
            {
                return null;
            }

            _slotCount++;
        }

        return new FrameSlot();
    }

    /// <summary>Whether a read that has so many must give one back when it can.</summary>
    public bool IsTooMany(int owned) => owned > Share() || (owned > MinSlots && SlotCount > budget.FrameSlots);

    public void Remove(FrameSlot slot)
    {
        slot.Dispose();
        lock (_lock)
        {
            _slotCount--;
        }
    }

    /// <summary>Memory for one range, and what decompresses it.</summary>
    public (NativeBuffer Buffer, ZstdDecompressor Zstd) Rent() => (
        _buffers.TryTake(out var rested) ? rested : new NativeBuffer(budget.RangeBytes),
        _decompressors.TryTake(out var idle) ? idle : new ZstdDecompressor());

    public void Return(NativeBuffer buffer, ZstdDecompressor zstd)
    {
        _buffers.Add(buffer);
        _decompressors.Add(zstd);
    }

    private int Share() => Math.Max(MinSlots, budget.FrameSlots / Math.Max(1, Volatile.Read(ref _openCount)));
}
