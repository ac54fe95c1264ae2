namespace Floe.Criu.Images;

/// <summary>Parses a <c>pagemap-*.img</c> (images/pagemap.proto) as it arrives: one head, then an entry a run of pages.</summary>
internal sealed class PagemapParser
{
    private const uint Magic = 0x56084025;
    private const int MaxRecordBytes = 256;
    private readonly string _name;
    private readonly ImageRecords _records;
    private readonly Action<ReadOnlyMemory<byte>> _onRecord;
    private readonly PageRangeList _ranges = new();
    private uint? _pagesId;

    public PagemapParser(string name)
    {
        _name = name;
        _records = new ImageRecords(name, Magic, MaxRecordBytes);
        _onRecord = OnRecord;
    }

    /// <exception cref="InvalidDataException">Not a pagemap.</exception>
    public void Feed(ReadOnlySpan<byte> data)
    {
        _records.Feed(data, _onRecord);
    }

    /// <summary>The N of <c>pages-N.img</c> and the ranges, at the end of the image.</summary>
    /// <exception cref="InvalidDataException">The image is not whole.</exception>
    public (uint PagesId, PageRangeList Ranges) Finish()
    {
        _records.End();
        _ranges.TrimExcess();
        return (_pagesId ?? throw new InvalidDataException($"{_name}: no head"), _ranges);
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

            _pagesId = id is <= uint.MaxValue ? (uint)id : throw new InvalidDataException($"{_name}: no pages_id");
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

        if (inParent || (flags & (ulong)PageFlags.Parent) != 0 || flags > 7)
        {
            throw new InvalidDataException($"{_name}: an entry of an incremental or unknown kind (flags {flags})");
        }

        _ranges.Add(new PageRange(address, count ?? oldCount, (PageFlags)flags));
    }
}
