namespace Floe.Store.Reading;

/// <summary>How a byte budget is divided: three quarters for frames, a quarter for what must be decompressed into them, a buffer a range.</summary>
/// <param name="Cells">Memory of all frames, in <see cref="FrameSlot.CellBytes"/>.</param>
/// <param name="Ranges">Requests at a time.</param>
/// <param name="RangeBytes">The longest range: all of them together are what there is memory for.</param>
/// <param name="BufferBytes">What of a range does not go to where it stays: compressed frames, and gaps.</param>
internal readonly record struct ReadBudget(int Cells, int Ranges, int RangeBytes, int BufferBytes)
{
    public static ReadBudget Of(long bytes, int maxConnections)
    {
        var buffers = Math.Max(bytes, 4L << 20) / 4;
        var frames = 3 * buffers;

        // A range holds whole frames, so none can be shorter than the longest frame.
        var ranges = Math.Clamp(maxConnections, 1, 256);
        var bufferBytes = (int)Math.Clamp(buffers / ranges, BlockFormat.MaxFrameBytes, 8L << 20);
        ranges = (int)Math.Clamp(buffers / bufferBytes, 1, ranges);
        return new ReadBudget(
            (int)Math.Min(frames / FrameSlot.CellBytes, 1 << 18), ranges, (int)Math.Clamp(frames / ranges, BlockFormat.MaxFrameBytes, 8L << 20), bufferBytes);
    }
}
