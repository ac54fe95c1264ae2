namespace Floe.Store.Reading;

/// <summary>How a byte budget is divided: decompressed frames, and fetched ranges on their way to become frames.</summary>
internal readonly record struct ReadBudget(int FrameSlots, int RangeBytes, int Ranges)
{
    public static ReadBudget Of(long bytes, int maxConnections)
    {
        var half = Math.Max(bytes, 4L << 20) / 2;

        // A range holds whole frames, so none can be shorter than the longest frame.
        var ranges = Math.Clamp(maxConnections, 1, 256);
        var rangeBytes = (int)Math.Clamp(half / ranges, BlockFormat.MaxFrameBytes, 8L << 20);
        ranges = (int)Math.Clamp(half / rangeBytes, 1, ranges);
        return new ReadBudget((int)Math.Clamp(half / BlockFormat.MaxFrameBytes, 8, 1 << 16), rangeBytes, ranges);
    }
}
