using Floe.Linux;
using Floe.Store.Blocks;

namespace Floe.Store.Reading;

/// <summary>Memory for one decompressed frame. Filled by a fetch, read by the consumer, kept for a while in case it is needed again.</summary>
/// <param name="cells">Its length, as <see cref="CellsOf"/> gives it.</param>
internal sealed class FrameSlot(int cells) : IDisposable
{
    /// <summary>What memory for frames is counted in.</summary>
    public const int CellBytes = BlockFormat.MaxLz4FrameBytes;

    private const int MaxCells = BlockFormat.MaxFrameBytes / CellBytes;

    private readonly NativeBuffer _memory = new(cells * CellBytes);
    private TaskCompletionSource _ready = NewSource();

    public int Cells => cells;

    /// <summary>Position of the frame in the map; -1 when the slot is empty.</summary>
    public int Frame { get; private set; } = -1;

    /// <summary>Batches that still need it. A slot in use is never given to another frame.</summary>
    public int Users { get; set; }

    /// <summary>Its place among the unused slots, least recently used first.</summary>
    public LinkedListNode<FrameSlot>? Idle { get; set; }

    public Memory<byte> Memory => _memory.Memory;

    /// <summary>Ends when the frame's bytes are there and verified, or fails.</summary>
    public Task Ready => _ready.Task;

    /// <summary>There are two lengths, so that what one frame had soon fits another: a cell, and the longest frame.</summary>
    public static int CellsOf(int rawBytes) => rawBytes <= CellBytes ? 1 : MaxCells;

    public void Assign(int frame)
    {
        Frame = frame;
        _ready = NewSource();
    }

    public void Filled() => _ready.TrySetResult();

    public void Failed(Exception failure)
    {
        _ready.TrySetException(failure);

        // Seen here: nobody may be waiting when a read is given up.
        _ = _ready.Task.Exception;
    }

    public void Dispose() => ((IDisposable)_memory).Dispose();

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
