namespace Floe.Store;

/// <summary>How a frame's bytes are stored (docs/format.md).</summary>
public enum FrameCodec : byte
{
    Raw = 0,

    /// <summary>One zstd frame.</summary>
    Zstd = 1,

    /// <summary>One LZ4 block.</summary>
    Lz4 = 2,
}
