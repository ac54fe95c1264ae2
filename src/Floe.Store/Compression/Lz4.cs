using Floe.Linux;

namespace Floe.Store.Compression;

/// <summary>LZ4's block format, with a reusable state for compressing. For one thread at a time.</summary>
internal sealed unsafe class Lz4 : IDisposable
{
    /// <summary>On heaps as fast as 1 on some, a tenth faster on others, and no weaker (docs/decisions/0011-compression-levels.md).</summary>
    private const int Acceleration = 2;

    /// <summary>Where looking at words alone saves less than a fifth, it is no heap: text, code or other bytes, which liblz4 does better.</summary>
    private const double SavedByWords = 0.2;

    private readonly NativeBuffer _state = new(Math.Max(Interop.LZ4_sizeofState(), Lz4Words.TableBytes));

    /// <summary>Compressed length; 0 when the result does not fit into <paramref name="destination"/>.</summary>
    public int Compress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        // SAFETY: all spans are pinned for the call and the library is given their exact lengths; the state is as long as it asks.
        fixed (byte* state = _state.Span)
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            var words = source.Length <= Lz4Words.MaxSourceBytes
                ? Lz4Words.Compress(from, source.Length, to, Math.Min(destination.Length, (int)(source.Length * (1 - SavedByWords))), state) : 0;
            return words > 0 ? words : Interop.LZ4_compress_fast_extState(state, from, to, source.Length, destination.Length, Acceleration);
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
