using Floe.Linux;

namespace Floe.Store.Compression;

/// <summary>liblz4's block format, with a reusable state for compressing. For one thread at a time.</summary>
internal sealed unsafe class Lz4 : IDisposable
{
    /// <summary>On heaps as fast as 1 on some, a tenth faster on others, and no weaker (docs/decisions/0011-compression-levels.md).</summary>
    private const int Acceleration = 2;

    private readonly NativeBuffer _state = new(Interop.LZ4_sizeofState());

    /// <summary>Compressed length; 0 when the result does not fit into <paramref name="destination"/>.</summary>
    public int Compress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        // SAFETY: all spans are pinned for the call and the library is given their exact lengths; the state is as long as it asks.
        fixed (byte* state = _state.Span)
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            return Interop.LZ4_compress_fast_extState(state, from, to, source.Length, destination.Length, Acceleration);
        }
    }

    /// <summary>False unless <paramref name="source"/> decompresses to exactly the length of <paramref name="destination"/>. Never writes beyond it.</summary>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        // SAFETY: as above.
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            return Interop.LZ4_decompress_safe(from, to, source.Length, destination.Length) == destination.Length;
        }
    }

    public void Dispose() => ((IDisposable)_state).Dispose();
}
