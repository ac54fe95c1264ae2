using Floe.Store.Compression;

namespace Floe.Store.Coding;

/// <summary>
/// Compresses what is written to <see cref="Raw"/> in chunks of about 1 MiB, so that neither writing nor reading needs more than
/// one chunk beside the result (docs/format.md, "Chunks").
/// </summary>
internal sealed class ChunkedWriter : IDisposable
{
    public const int ChunkBytes = 1 << 20;


    private const int Level = 3;

    private readonly ZstdCompressor _zstd = new();
    private readonly ByteWriter _out = new();
    private readonly byte[] _compressed = new byte[ZstdCompressor.Bound(ChunkBytes)];

    public ChunkedWriter() => _out.Bytes(Magic);

    public static ReadOnlySpan<byte> Magic => "FLOEIDX1"u8;

    public ByteWriter Raw { get; } = new();

    public long RawBytes { get; private set; }

    public void CompressFullChunks()
    {
        if (Raw.Length >= ChunkBytes)
        {
            Compress();
        }
    }

    /// <summary>Everything written, compressed; the receiver owns the array.</summary>
    public byte[] Finish()
    {
        Compress();
        return _out.Written.ToArray();
    }

    public void Dispose() => _zstd.Dispose();

    private void Compress()
    {
        for (var rest = Raw.Written; !rest.IsEmpty;)
        {
            var chunk = rest[..Math.Min(rest.Length, ChunkBytes)];
            rest = rest[chunk.Length..];
            var length = _zstd.Compress(chunk, _compressed, Level);
            _out.UInt32((uint)chunk.Length);
            _out.UInt32((uint)length);
            _out.Bytes(_compressed.AsSpan(0, length));
            RawBytes += chunk.Length;
        }

        Raw.Clear();
    }
}
