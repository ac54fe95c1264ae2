using Floe.Store;

namespace Floe.Tests.Store.Doubles;

/// <summary>One encoding after the other, so that frames of all kinds and sizes follow each other.</summary>
internal sealed class EveryEncoding : IFrameCompressionPolicy
{
    private static readonly FrameEncoding[] s_encodings =
        [new(FrameCodec.Lz4), new(FrameCodec.Zstd, 1), new(FrameCodec.Raw), new(FrameCodec.Lz4), new(FrameCodec.Lz4), new(FrameCodec.Zstd, -1)];

    private int _frames = -1;

    public FrameEncoding Next(in CompressionPressure pressure) => s_encodings[(uint)Interlocked.Increment(ref _frames) % s_encodings.Length];
}
