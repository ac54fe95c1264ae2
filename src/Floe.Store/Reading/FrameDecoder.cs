using System.IO.Hashing;
using Floe.S3;
using Floe.Store.Blocks;
using Floe.Store.Compression;
using Floe.Store.Packs;

namespace Floe.Store.Reading;

/// <summary>Decompresses frames of one pack and checks every block of them.</summary>
internal sealed class FrameDecoder(IObjectStore objects, ObjectKey key, PackDirectory directory, BlockSeed seed, ZstdDecompressor zstd)
{
    /// <summary>Decodes a frame that was read; one that proves wrong is read again, into the same memory (<see cref="RepeatedRead"/>).</summary>
    /// <param name="stored">The frame as it lies in the pack.</param>
    /// <param name="raw">What becomes of it; the same memory for a frame that is not compressed.</param>
    public async ValueTask DecodeAsync(FrameEntry entry, Memory<byte> stored, Memory<byte> raw, CancellationToken cancellationToken)
    {
        try
        {
            Decode(stored.Span, entry, raw.Span);
            return;
        }
        catch (SnapshotDamagedException)
        {
            // Looked at again below, as the first of several.
        }

        var isRead = true;
        await RepeatedRead.RunAsync(
            key,
            async () =>
            {
                if (!isRead)
                {
                    await StoredObjects.ReadAsync(objects, key, entry.Offset, stored, cancellationToken).ConfigureAwait(false);
                }

                isRead = false;
                return stored;
            },
            bytes =>
            {
                Decode(bytes.Span, entry, raw.Span);
                return true;
            }).ConfigureAwait(false);
    }

    private void Decode(ReadOnlySpan<byte> stored, in FrameEntry entry, Span<byte> raw)
    {
        if (entry.Codec != FrameCodec.Raw)
        {
            Decompress(stored, entry, raw);
        }
        else if (stored != raw)
        {
            stored.CopyTo(raw);
        }

        Verify(entry, raw);
    }

    private void Decompress(ReadOnlySpan<byte> stored, in FrameEntry entry, Span<byte> raw)
    {
        if (XxHash3.HashToUInt64(stored) != entry.Checksum || !(entry.Codec == FrameCodec.Lz4 ? Lz4.TryDecompress(stored, raw) : zstd.TryDecompress(stored, raw)))
        {
            throw new SnapshotDamagedException(key.Value, $"frame {entry.Frame} at byte {entry.Offset} is damaged");
        }
    }

    private void Verify(in FrameEntry entry, ReadOnlySpan<byte> raw)
    {
        var offset = 0;
        for (var i = 0; i < entry.BlockCount; i++)
        {
            var expected = directory.Block(entry.FirstBlock + i);
            if (BlockId.Of(raw.Slice(offset, expected.Length), seed) != expected)
            {
                throw new SnapshotDamagedException(key.Value, $"block {i} of frame {entry.Frame} at byte {entry.Offset} is damaged");
            }

            offset += expected.Length;
        }
    }
}
