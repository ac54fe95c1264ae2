using System.Collections;

namespace Floe.Criu.Images;

/// <summary>
/// Ascending, disjoint page ranges, kept as differences in variable-length numbers: two to four bytes a range, so that the
/// pagemap of a badly fragmented 256 GiB task stays small. Written by one thread, then read by any number.
/// </summary>
public sealed class PageRangeList : IEnumerable<PageRange>
{
    private const int FlagBits = 3;
    private byte[] _encoded = [];
    private int _length;
    private ulong _endPage;

    /// <summary>Bytes in a page on this machine; images from another page size are refused by CRIU.</summary>
    public static int PageBytes { get; } = Environment.SystemPageSize;

    /// <summary>Number of ranges.</summary>
    public long Count { get; private set; }

    /// <summary>Pages whose content is in the pages image.</summary>
    public ulong PresentPages { get; private set; }

    internal void Add(PageRange range)
    {
        var page = range.Address / (ulong)PageBytes;
        if (range.Address % (ulong)PageBytes != 0 || range.PageCount == 0 || (Count > 0 && page < _endPage)
            || range.PageCount > (ulong.MaxValue / (ulong)PageBytes) - page || range.PageCount > ulong.MaxValue >> FlagBits
            || (int)range.Flags >> FlagBits != 0)
        {
            throw new InvalidDataException($"pagemap: entry {Count} (0x{range.Address:x}, {range.PageCount} pages, flags {(int)range.Flags}) is out of order or out of range");
        }

        if (_encoded.Length - _length < 20)
        {
            Array.Resize(ref _encoded, Math.Max(64, _encoded.Length + (_encoded.Length / 2)));
        }

        Put(page - _endPage);
        Put((range.PageCount << FlagBits) | (uint)range.Flags);
        _endPage = page + range.PageCount;
        Count++;
        if ((range.Flags & PageFlags.Present) != 0)
        {
            PresentPages += range.PageCount;
        }
    }

    internal void TrimExcess() => Array.Resize(ref _encoded, _length);

    public Enumerator GetEnumerator() => new(this);

    IEnumerator<PageRange> IEnumerable<PageRange>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void Put(ulong value)
    {
        while (value >= 0x80)
        {
            _encoded[_length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _encoded[_length++] = (byte)value;
    }

    /// <summary>Walks the ranges in order without allocating.</summary>
    public struct Enumerator : IEnumerator<PageRange>
    {
        private readonly PageRangeList _list;
        private int _position;
        private ulong _endPage;

        internal Enumerator(PageRangeList list) => _list = list;

        public PageRange Current { get; private set; }

        readonly object IEnumerator.Current => Current;

        public bool MoveNext()
        {
            if (_position == _list._length)
            {
                return false;
            }

            var page = _endPage + Get();
            var countAndFlags = Get();
            var count = countAndFlags >> FlagBits;
            Current = new PageRange(page * (ulong)PageBytes, count, (PageFlags)(countAndFlags & ((1 << FlagBits) - 1)));
            _endPage = page + count;
            return true;
        }

        public void Reset()
        {
            _position = 0;
            _endPage = 0;
        }

        public readonly void Dispose()
        {
        }

        private ulong Get()
        {
            ulong value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var next = _list._encoded[_position++];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }
        }
    }
}
