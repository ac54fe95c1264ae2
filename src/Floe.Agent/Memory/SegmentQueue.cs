using Floe.Criu.Images;
using Floe.Store;

namespace Floe.Agent.Memory;

/// <summary>Deals out the segments of all page images, one process after the other. Constant memory whatever the task's size.</summary>
internal sealed class SegmentQueue
{
    private readonly Lock _gate = new();
    private readonly int _segmentBytes;
    private readonly List<(StreamId Stream, Pagemap Pages)> _images = [];
    private readonly List<PagePiece> _scratch = [];
    private int _image;
    private int _ordinal;
    private PageCursor _cursor;

    public SegmentQueue(ISnapshotContent content, IReadOnlyList<Pagemap> processes, int segmentBytes)
    {
        _segmentBytes = segmentBytes;
        foreach (var process in processes)
        {
            _images.Add((content.AddStream(SnapshotNames.CriuImage(process.PagesImageName)), process));
        }

        if (_images.Count > 0)
        {
            _cursor = new PageCursor(_images[0].Pages.Ranges);
        }
    }

    /// <summary>The next segment, or null when all were taken.</summary>
    public PageSegment? TryTake()
    {
        lock (_gate)
        {
            while (_image < _images.Count)
            {
                var start = _cursor;
                _scratch.Clear();
                var bytes = _cursor.Take(_scratch, _segmentBytes);
                if (bytes > 0)
                {
                    var (stream, pages) = _images[_image];
                    return new PageSegment(stream, _ordinal++, pages.Pid, start, bytes);
                }

                _image++;
                _ordinal = 0;
                if (_image < _images.Count)
                {
                    _cursor = new PageCursor(_images[_image].Pages.Ranges);
                }
            }

            return null;
        }
    }
}

/// <param name="Start">Where in the process's pages the segment begins; a copy, advanced by whoever reads.</param>
internal sealed record PageSegment(StreamId Stream, int Ordinal, int Pid, PageCursor Start, int Bytes);
