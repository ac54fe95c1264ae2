using Floe.Criu.Images;

namespace Floe.Agent.Memory;

/// <summary>
/// Walks a segment's pages in order and cuts them on the block grid: a block is what is present of one aligned 16 KiB
/// window, so a page that moves nowhere stays in the same block in every snapshot.
/// </summary>
internal struct PageCursor
{
    private const int WindowShift = 14;

    /// <summary>Length of a window.</summary>
    public const ulong WindowBytes = 1 << WindowShift;

    private readonly IReadOnlyList<PageRange> _ranges;
    private int _next;
    private ulong _address;
    private ulong _bytesLeft;

    public PageCursor(IReadOnlyList<PageRange> ranges)
    {
        _ranges = ranges;
        NextRange();
    }

    public readonly bool AtEnd => _bytesLeft == 0;

    /// <summary>
    /// Appends the pages of whole windows to <paramref name="pieces"/> until <paramref name="maxBytes"/> would be exceeded;
    /// returns the bytes appended. A window that several ranges share stays together.
    /// </summary>
    public int Take(List<PagePiece> pieces, int maxBytes)
    {
        var bytes = 0;
        while (!AtEnd)
        {
            var before = this;
            var count = pieces.Count;
            var windowBytes = TakeWindow(pieces);
            if (bytes + windowBytes > maxBytes)
            {
                this = before;
                pieces.RemoveRange(count, pieces.Count - count);
                break;
            }

            bytes += windowBytes;
        }

        return bytes;
    }

    private int TakeWindow(List<PagePiece> pieces)
    {
        var window = _address >> WindowShift;
        var end = (window + 1) << WindowShift;
        var bytes = 0;
        while (!AtEnd && _address >> WindowShift == window)
        {
            var length = Math.Min(_bytesLeft, end - _address);
            pieces.Add(new PagePiece(_address, (int)length));
            bytes += (int)length;
            _address += length;
            _bytesLeft -= length;
            if (_bytesLeft == 0)
            {
                NextRange();
            }
        }

        return bytes;
    }

    private void NextRange()
    {
        if (_next < _ranges.Count)
        {
            var range = _ranges[_next++];
            _address = range.Address;
            _bytesLeft = range.PageCount * (ulong)PageRange.PageBytes;
        }
    }
}

/// <summary>Consecutive present pages inside one block window.</summary>
internal readonly record struct PagePiece(ulong Address, int Bytes)
{
    public ulong Window => Address / PageCursor.WindowBytes;
}
