using Floe.Store.Compression;

namespace Floe.Store.Writing;

/// <summary>
/// Spares incompressible data the compressor. While frames compress, every frame is tried. After some that did not, most are
/// taken raw unseen, every eighth is sampled, and a sample that compresses ends the spell.
/// </summary>
internal sealed class CompressibilityProbe
{
    private const int FailuresUntilRaw = 2;
    private const int RawFramesPerSample = 7;
    private const int SamplePieces = 4;
    private const int PieceBytes = 2048;

    private int _failures;
    private int _rawFramesLeft;

    /// <summary>Whether the frame that begins now will be stored raw without a look.</summary>
    public bool NextIsRaw()
    {
        if (_failures < FailuresUntilRaw || _rawFramesLeft == 0)
        {
            return false;
        }

        _rawFramesLeft--;
        return true;
    }

    /// <summary>Whether a whole frame is worth compressing. <paramref name="scratch"/> is written over.</summary>
    public bool IsWorthTrying(ReadOnlySpan<byte> frame, ZstdCompressor zstd, Span<byte> scratch)
    {
        if (_failures < FailuresUntilRaw || frame.Length < SamplePieces * PieceBytes * 2)
        {
            return true;
        }

        Span<byte> sample = stackalloc byte[SamplePieces * PieceBytes];
        var stride = (frame.Length - PieceBytes) / (SamplePieces - 1);
        for (var i = 0; i < SamplePieces; i++)
        {
            frame.Slice(i * stride, PieceBytes).CopyTo(sample[(i * PieceBytes)..]);
        }

        if (zstd.Compress(sample, scratch[..(sample.Length * 19 / 20)], -1) > 0)
        {
            return true;
        }

        _rawFramesLeft = RawFramesPerSample;
        return false;
    }

    public void Tried(bool saved)
    {
        _failures = saved ? 0 : _failures + 1;
        _rawFramesLeft = saved ? 0 : RawFramesPerSample;
    }
}
