using Floe.Store.Coding;
using Floe.Store.Writing;

namespace Floe.Store.Reading;

/// <summary>A piece of a stream: zeros (Frame -1), or bytes of one frame.</summary>
/// <param name="Frame">Position in the <see cref="FrameMap"/>.</param>
/// <param name="Offset">In the frame's raw bytes.</param>
/// <param name="ByteCount">At most a frame's worth unless zeros.</param>
internal readonly record struct Slice(int Frame, int Offset, long ByteCount);

/// <summary>Turns a segment's runs into slices. Runs that point nowhere or do not fill the segment exactly are an <see cref="InvalidDataException"/>.</summary>
internal static class RunDecoder
{
    public static IEnumerable<Slice> Decode(StreamSegment segment, FrameMap frames)
    {
        var runs = segment.Runs;
        var read = 0;
        var left = segment.ByteCount;
        var cursor = new Cursor(-1, 0, 0);
        while (read < runs.Length)
        {
            var run = Next(runs, ref read, cursor);
            if (run.Kind == RunEncoder.ZerosKind)
            {
                left -= Fits(run.Count, left);
                yield return new Slice(-1, 0, run.Count);
                continue;
            }

            var frame = -1;
            var ordinal = run.Ordinal;
            var frameId = run.Frame;
            for (var blocks = run.Count; blocks > 0;)
            {
                frame = frames.Find(frameId, frame + 1);
                if (frame < 0)
                {
                    throw new InvalidDataException($"it names frame {frameId}, which no pack of the snapshot has");
                }

                if (ordinal == frames.Entry(frame).BlockCount)
                {
                    // The run before ended with this frame; what follows is in the next.
                    frameId++;
                    ordinal = 0;
                    continue;
                }

                var (slice, taken) = Take(frames, frame, ordinal, blocks);
                left -= Fits(slice.ByteCount, left);
                yield return slice;
                blocks -= taken;
                ordinal += taken;
            }

            cursor = new Cursor(frameId, frameId, ordinal);
        }

        if (left != 0)
        {
            throw new InvalidDataException($"{left} bytes of a segment are missing");
        }
    }

    private static (Slice Slice, int Blocks) Take(FrameMap frames, int frame, int ordinal, long blocks)
    {
        ref readonly var entry = ref frames.Entry(frame);
        if (ordinal > entry.BlockCount)
        {
            throw new InvalidDataException($"it names block {ordinal} of frame {entry.Frame}, which has {entry.BlockCount}");
        }

        var directory = frames.Directory(frame);
        var taken = (int)Math.Min(blocks, entry.BlockCount - ordinal);
        int offset = 0, bytes = 0;
        for (var i = 0; i < ordinal + taken; i++)
        {
            var length = directory.BlockLength(entry.FirstBlock + i);
            if (i < ordinal)
            {
                offset += length;
            }
            else
            {
                bytes += length;
            }
        }

        return (new Slice(frame, offset, bytes), taken);
    }

    private static Run Next(byte[] runs, ref int read, Cursor cursor)
    {
        var reader = new ByteReader(runs.AsSpan(read));
        var token = reader.Varint();
        var run = new Run((int)(token & 3), (long)(token >> 2), cursor.Next, cursor.Ordinal);
        if (run.Count == 0)
        {
            throw new InvalidDataException("a run is empty");
        }

        switch (run.Kind)
        {
            case RunEncoder.ZerosKind:
                break;
            case RunEncoder.ContinueKind when cursor.Next >= 0:
                break;
            case RunEncoder.PlaceKind:
                run = run with { Frame = Math.Max(0, cursor.Last) + reader.Zigzag(), Ordinal = (int)reader.Varint(int.MaxValue, "a block's ordinal") };
                break;
            default:
                throw new InvalidDataException("a run is of no known kind");
        }

        read = runs.Length - reader.Remaining;
        return run;
    }

    private static long Fits(long bytes, long left) => bytes <= left ? bytes : throw new InvalidDataException("a segment is longer than it says");

    /// <param name="Next">Frame of the block after the last run of blocks; -1 before the first.</param>
    /// <param name="Last">Frame of the last block: places are counted from it.</param>
    private readonly record struct Cursor(long Next, long Last, int Ordinal);

    private readonly record struct Run(int Kind, long Count, long Frame, int Ordinal);
}
