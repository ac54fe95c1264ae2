using Floe.Store.Blocks;
using Floe.Store.Coding;

namespace Floe.Store.Packs;

/// <summary>The byte layout of packs (docs/format.md, "Packs"): frames, directory, footer.</summary>
internal static class PackFormat
{
    public const uint Version = 1;
    public const int FooterBytes = 32;

    /// <summary>Packs and their directories are addressed with 31 bits.</summary>
    public const int MaxPackBytes = 1 << 30;

    private static ReadOnlySpan<byte> Magic => "FLOEPACK"u8;

    /// <summary>Of one pack. Only blocks of a few bytes each come near it; the pack then ends early.</summary>
    public const int MaxDirectoryBytes = 64 << 20;

    /// <summary>Of all packs that a manifest names: a reader holds them in memory. Of blocks of 16 KiB they are a thousandth of the data.</summary>
    public const long MaxDirectoriesBytes = 16L << 30;

    /// <summary>Appends one frame's directory entry. <paramref name="checksum"/> is XxHash3-64 of the stored bytes of a compressed frame; unused for raw.</summary>
    public static void WriteEntry(ByteWriter to, uint frame, FrameCodec codec, int storedBytes, ulong checksum, ReadOnlySpan<BlockId> blocks)
    {
        to.Varint(frame);
        to.Byte((byte)codec);
        to.Varint(blocks.Length);
        for (var i = 0; i < blocks.Length;)
        {
            var start = i;
            var length = blocks[i].Length;
            while (++i < blocks.Length && blocks[i].Length == length)
            {
            }

            to.Varint(i - start);
            to.Varint(length);
        }

        if (codec != FrameCodec.Raw)
        {
            to.Varint(storedBytes);
            to.UInt64(checksum);
        }

        foreach (ref readonly var block in blocks)
        {
            to.Hash(block.Hash);
        }
    }

    public static void WriteFooter(ByteWriter to, int directoryOffset, int directoryLength, int frames)
    {
        to.Bytes(Magic);
        to.UInt32(Version);
        to.UInt32((uint)frames);
        to.UInt64((ulong)directoryOffset);
        to.UInt64((ulong)directoryLength);
    }

    /// <summary>Checks a footer against what the manifest says of the pack; gives the number of frames.</summary>
    public static int ReadFooter(ReadOnlySpan<byte> footer, long directoryOffset, int directoryLength)
    {
        var reader = new ByteReader(footer);
        if (!reader.Bytes(8).SequenceEqual(Magic))
        {
            throw new InvalidDataException("the pack's footer has not the mark of a pack");
        }

        var version = reader.UInt32();
        var frames = reader.UInt32();
        if (version != Version || reader.UInt64() != (ulong)directoryOffset || reader.UInt64() != (ulong)directoryLength || frames > int.MaxValue)
        {
            throw new InvalidDataException("the pack's footer does not agree with the manifest");
        }

        reader.End();
        return (int)frames;
    }
}
