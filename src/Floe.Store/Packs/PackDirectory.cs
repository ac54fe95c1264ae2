using Floe.Store.Blocks;
using Floe.Store.Coding;

namespace Floe.Store.Packs;

/// <summary>One frame as its pack's directory describes it.</summary>
/// <param name="Offset">From the start of the pack, bytes.</param>
/// <param name="FirstBlock">Position of the frame's first block in the directory's block arrays.</param>
/// <param name="Checksum">XxHash3-64 of the stored bytes of a zstd frame; 0 for a raw one, which its block hashes cover.</param>
internal readonly record struct FrameEntry(uint Frame, FrameCodec Codec, int Offset, int StoredBytes, int RawBytes, int FirstBlock, int BlockCount, ulong Checksum);

/// <summary>A pack's parsed directory: its frames in the order of their offsets, and the identity of every block. 18 bytes a block.</summary>
internal sealed class PackDirectory
{
    private readonly UInt128[] _hashes;
    private readonly ushort[] _lengths;

    private PackDirectory(FrameEntry[] frames, UInt128[] hashes, ushort[] lengths)
    {
        Frames = frames;
        _hashes = hashes;
        _lengths = lengths;
    }

    public FrameEntry[] Frames { get; }

    public BlockId Block(int index) => new(_hashes[index], _lengths[index]);

    public int BlockLength(int index) => _lengths[index];

    /// <summary>
    /// Parses a directory whose SHA-256 the caller has checked, and which is distrusted all the same. The frames must fill the
    /// pack exactly up to <paramref name="directoryOffset"/>. A breach is an <see cref="InvalidDataException"/>.
    /// </summary>
    public static PackDirectory Parse(ReadOnlySpan<byte> bytes, long directoryOffset, int frameCount)
    {
        var reader = new ByteReader(bytes);

        // An entry takes at least 21 bytes and a block at least 16, so neither array can outgrow the input by much.
        if (frameCount > bytes.Length / 21)
        {
            throw new InvalidDataException($"{frameCount} frames cannot be in a directory of {bytes.Length} bytes");
        }

        var frames = new FrameEntry[frameCount];
        var hashes = new List<UInt128>(bytes.Length / 17);
        var lengths = new List<ushort>(bytes.Length / 17);
        long offset = 0;
        for (var i = 0; i < frameCount; i++)
        {
            var frame = (uint)reader.Varint(uint.MaxValue, "a frame id");
            var codec = (FrameCodec)reader.Byte();
            if (codec is not (FrameCodec.Raw or FrameCodec.Zstd or FrameCodec.Lz4))
            {
                throw new InvalidDataException($"frame {frame} has codec {(int)codec}, which this version of floe does not know");
            }

            var blockCount = (int)reader.Varint(BlockLocation.MaxBlocksPerFrame, "a frame's block count");
            var firstBlock = hashes.Count;
            var rawBytes = ReadLengths(ref reader, blockCount, lengths);
            var storedBytes = rawBytes;
            ulong checksum = 0;
            if (codec != FrameCodec.Raw)
            {
                storedBytes = (int)reader.Varint(BlockFormat.MaxFrameBytes, "a frame's stored length");
                checksum = reader.UInt64();
            }

            if (blockCount == 0 || storedBytes == 0)
            {
                throw new InvalidDataException($"frame {frame} is empty");
            }

            for (var block = 0; block < blockCount; block++)
            {
                hashes.Add(reader.Hash());
            }

            if (offset + storedBytes > directoryOffset)
            {
                throw new InvalidDataException($"frame {frame} reaches into the directory");
            }

            frames[i] = new FrameEntry(frame, codec, (int)offset, storedBytes, rawBytes, firstBlock, blockCount, checksum);
            offset += storedBytes;
        }

        reader.End();
        return offset == directoryOffset
            ? new PackDirectory(frames, [.. hashes], [.. lengths])
            : throw new InvalidDataException($"the frames end at byte {offset}, the directory begins at {directoryOffset}");
    }

    private static int ReadLengths(ref ByteReader reader, int blockCount, List<ushort> lengths)
    {
        var rawBytes = 0;
        for (var left = blockCount; left > 0;)
        {
            var run = (int)reader.Varint(left, "a run of block lengths");
            var length = (int)reader.Varint(BlockFormat.MaxBlockBytes, "a block length");
            if (run == 0 || length == 0)
            {
                throw new InvalidDataException("a block is empty");
            }

            rawBytes += run * length;
            left -= run;
            for (; run > 0; run--)
            {
                lengths.Add((ushort)length);
            }
        }

        return rawBytes <= BlockFormat.MaxFrameBytes ? rawBytes : throw new InvalidDataException($"a frame holds {rawBytes} bytes, at most {BlockFormat.MaxFrameBytes} can be");
    }
}
