namespace Floe.Store;

/// <summary>
/// One capture thread's way into a snapshot. A stream's content is cut into segments; segments of one stream may be filled
/// by different sinks at the same time and in any order, and are put together by their ordinal. Calls are synchronous and
/// CPU-bound (hash, look-up, compress) and block only when every upload buffer is taken: that is the back-pressure.
/// </summary>
public interface IBlockSink : IDisposable
{
    /// <summary>Starts segment <paramref name="ordinal"/> (0, 1, 2, … without gaps in the end) of a stream.</summary>
    void BeginSegment(StreamId stream, int ordinal);

    /// <summary>
    /// Memory to read the next blocks into, at most <see cref="BlockFormat.MaxReservedBytes"/>: appended from there, in order, most of them are where
    /// they belong already and are not copied. Valid until the last of them is appended; nothing else may be appended meanwhile.
    /// </summary>
    Span<byte> Reserve(int byteCount);

    /// <summary>Adds one block of 1 to <see cref="BlockFormat.MaxBlockBytes"/> bytes. The span is borrowed for the call.</summary>
    void Append(ReadOnlySpan<byte> block);

    /// <summary>Adds a run of zero bytes that were never read (a hole in a sparse file).</summary>
    void AppendZeros(long byteCount);

    void EndSegment();
}

/// <summary>A stream of a snapshot, by the order in which it was added. Valid within that snapshot only.</summary>
public readonly record struct StreamId(int Value);

/// <summary>Sizes that the format fixes (docs/format.md).</summary>
public static class BlockFormat
{
    public const int MaxBlockBytes = 16 * 1024;
    public const int MaxFrameBytes = 256 * 1024;

    /// <summary>Not of the format: what this version puts into a frame of LZ4.</summary>
    public const int MaxLz4FrameBytes = 64 * 1024;

    /// <summary>Not of the format: no more than a frame, so that no two frames are closed while blocks wait in reserved memory.</summary>
    public const int MaxReservedBytes = 64 * 1024;
}
