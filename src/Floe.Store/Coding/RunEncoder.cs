using Floe.Store.Blocks;

namespace Floe.Store.Coding;

/// <summary>
/// Writes the blocks of one segment as runs (docs/format.md, "Runs"). Consecutive blocks of consecutive frames are one run, so
/// what one sink captured in order costs a few bytes however long it is; a scattered block costs about five.
/// </summary>
internal sealed class RunEncoder(FrameTable frames)
{
    public const int ZerosKind = 0;
    public const int ContinueKind = 1;
    public const int PlaceKind = 2;

    private readonly ByteWriter _out = new();
    private BlockLocation _start;
    private BlockLocation _last;
    private BlockLocation _cursor;
    private bool _cursorContinues;
    private long _count;
    private long _zeros;

    public void Begin()
    {
        _out.Clear();
        _cursor = new BlockLocation(0, -1);
        _cursorContinues = false;
        _count = 0;
        _zeros = 0;
    }

    public void Zeros(long byteCount)
    {
        FlushBlocks();
        _zeros += byteCount;
    }

    public void Block(BlockLocation place)
    {
        if (_count > 0 && Follows(_last, place))
        {
            _last = place;
            _count++;
            return;
        }

        FlushBlocks();
        FlushZeros();
        _start = _last = place;
        _count = 1;
    }

    /// <summary>The segment's runs; the receiver owns the array.</summary>
    public byte[] End()
    {
        FlushBlocks();
        FlushZeros();
        return _out.Written.ToArray();
    }

    /// <summary>Whether <paramref name="place"/> comes right after <paramref name="last"/>: in its frame, or first in the next one.</summary>
    private bool Follows(BlockLocation last, BlockLocation place) =>
        place.Frame == last.Frame
            ? place.Ordinal == last.Ordinal + 1
            : place.Ordinal == 0 && place.Frame == last.Frame + 1 && frames.Get(last.Frame).Blocks == last.Ordinal + 1;

    private void FlushBlocks()
    {
        if (_count == 0)
        {
            return;
        }

        if (_cursorContinues && Follows(_cursor, _start))
        {
            _out.Varint((_count << 2) | ContinueKind);
        }
        else
        {
            _out.Varint((_count << 2) | PlaceKind);
            _out.Zigzag((long)_start.Frame - _cursor.Frame);
            _out.Varint(_start.Ordinal);
        }

        _cursor = _last;
        _cursorContinues = true;
        _count = 0;
    }

    private void FlushZeros()
    {
        if (_zeros > 0)
        {
            _out.Varint((_zeros << 2) | ZerosKind);
            _zeros = 0;
        }
    }
}
