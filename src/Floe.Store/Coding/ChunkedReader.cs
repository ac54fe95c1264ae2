using Floe.Store.Compression;

namespace Floe.Store.Coding;

/// <summary>Decompresses what <see cref="ChunkedWriter"/> made. Memory grows with what really comes out, never with what the input claims.</summary>
internal static class ChunkedReader
{
    /// <summary>The body of an object of chunks that must hold exactly <paramref name="rawBytes"/>. A breach is an <see cref="InvalidDataException"/>.</summary>
    public static ReadOnlyMemory<byte> Read(ReadOnlySpan<byte> stored, long rawBytes)
    {
        var reader = new ByteReader(stored);
        if (!reader.Bytes(8).SequenceEqual(ChunkedWriter.Magic))
        {
            throw new InvalidDataException("the mark of an index is missing");
        }

        using var zstd = new ZstdDecompressor();
        var chunk = new byte[ChunkedWriter.ChunkBytes];
        using var body = new MemoryStream();
        while (reader.Remaining > 0)
        {
            var rawLength = reader.UInt32();
            var storedLength = reader.UInt32();
            if (rawLength is 0 or > ChunkedWriter.ChunkBytes || storedLength > int.MaxValue || body.Length + rawLength > rawBytes)
            {
                throw new InvalidDataException("a chunk is longer than it may be");
            }

            if (!zstd.TryDecompress(reader.Bytes((int)storedLength), chunk.AsSpan(0, (int)rawLength)))
            {
                throw new InvalidDataException("a chunk does not decompress");
            }

            body.Write(chunk, 0, (int)rawLength);
        }

        return body.Length == rawBytes ? body.GetBuffer().AsMemory(0, (int)rawBytes) : throw new InvalidDataException($"{body.Length} bytes instead of {rawBytes}");
    }
}
