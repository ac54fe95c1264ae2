using Floe.Criu.Streaming;

namespace Floe.Criu.Images;

/// <summary>
/// Parses a <c>pagemap-*.img</c> (images/pagemap.proto) as it arrives: one head, then an entry a run of pages, ascending.
/// </summary>
/// <param name="name">Its name, for messages.</param>
/// <param name="open">Called with the N of <c>pages-N.img</c> as soon as it is known; gets the runs that are in that image as they come.</param>
internal sealed class PagemapParser(string name, Func<uint, IPageStream>? open = null)
{
    private const uint Magic = 0x56084025;
    private const int MaxRecordBytes = 256;

    // The flags of a pagemap entry (criu/include/page-xfer.h): restorable on demand, content in the pages image. 1 is in a parent image.
    private const ulong Lazy = 2;
    private const ulong Present = 4;

    private readonly ImageRecords _records = new(name, Magic, MaxRecordBytes);
    private Action<ReadOnlyMemory<byte>>? _onRecord;
    private IPageStream? _pages;
    private uint? _pagesId;
    private ulong _endPage;

    /// <summary>Pages in the pages image, so far.</summary>
    public ulong PresentPages { get; private set; }

    /// <exception cref="InvalidDataException">Not a pagemap.</exception>
    public void Feed(ReadOnlySpan<byte> data) => _records.Feed(data, _onRecord ??= OnRecord);

    /// <summary>The N of <c>pages-N.img</c>, at the end of the image.</summary>
    /// <exception cref="InvalidDataException">The image is not whole.</exception>
    public uint Finish()
    {
        _records.End();
        var id = _pagesId ?? throw new InvalidDataException($"{name}: no head");
        _pages?.Complete();
        return id;
    }

    private void OnRecord(ReadOnlyMemory<byte> record)
    {
        var fields = new ProtoFields(record.Span);
        if (_pagesId is null)
        {
            ulong? id = null;
            while (fields.Next())
            {
                id = fields.Number == 1 ? fields.Value : id;
            }

            _pagesId = id is <= uint.MaxValue ? (uint)id : throw new InvalidDataException($"{name}: no pages_id");
            _pages = open?.Invoke(_pagesId.Value);
            return;
        }

        ulong address = 0, oldCount = 0, flags = 0;
        ulong? count = null;
        var inParent = false;
        while (fields.Next())
        {
            switch (fields.Number)
            {
                case 1: address = fields.Value; break;
                case 2: oldCount = fields.Value; break; // u32, the only count before CRIU 4.2, 0 since
                case 3: inParent = fields.Value != 0; break;
                case 4: flags = fields.Value; break;
                case 5: count = fields.Value; break;
                default: break;
            }
        }

        if (inParent || (flags & ~(Lazy | Present)) != 0)
        {
            throw new InvalidDataException($"{name}: an entry of an incremental or unknown kind (flags {flags})");
        }

        Add(new PageRange(address, count ?? oldCount), (flags & Present) != 0);
    }

    private void Add(PageRange range, bool isPresent)
    {
        var page = range.Address / (ulong)PageRange.PageBytes;
        if (range.Address % (ulong)PageRange.PageBytes != 0 || range.PageCount == 0 || page < _endPage
            || range.PageCount > (ulong.MaxValue / (ulong)PageRange.PageBytes) - page)
        {
            throw new InvalidDataException($"{name}: {range.PageCount} pages at 0x{range.Address:x} are out of order or out of range");
        }

        _endPage = page + range.PageCount;
        if (isPresent)
        {
            PresentPages += range.PageCount;
            _pages?.Add(range);
        }
    }
}
