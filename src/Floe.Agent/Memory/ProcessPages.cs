using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Floe.Store;

namespace Floe.Agent.Memory;

/// <summary>
/// Cuts one process's pages into segments as CRIU names them. A segment lies either wholly in executable mappings or wholly
/// outside of them, since the first may only be read later.
/// </summary>
internal sealed class ProcessPages : IPageStream
{
    private readonly StreamId _stream;
    private readonly int _pid;
    private readonly IReadOnlyList<(ulong Start, ulong End)> _code;
    private readonly int _segmentBytes;
    private readonly Action<PageSegment, bool> _add;
    private List<PageRange> _ranges = [];
    private ulong _end;
    private int _bytes;
    private int _ordinal;
    private int _nextCode;
    private bool _isCode;

    /// <param name="stream">The pages image.</param>
    /// <param name="code">Executable mappings, in whole windows, ascending and apart.</param>
    /// <param name="segmentBytes">A segment is closed at the first window that begins when it has as many bytes.</param>
    /// <param name="add">Takes each segment, and whether it is in executable mappings.</param>
    public ProcessPages(StreamId stream, int pid, IReadOnlyList<(ulong Start, ulong End)> code, int segmentBytes, Action<PageSegment, bool> add)
    {
        _stream = stream;
        _pid = pid;
        _code = code;
        _segmentBytes = segmentBytes;
        _add = add;
    }

    public void Add(PageRange range)
    {
        var address = range.Address;
        var end = address + (range.PageCount * (ulong)PageRange.PageBytes);
        while (address < end)
        {
            while (_nextCode < _code.Count && _code[_nextCode].End <= address)
            {
                _nextCode++;
            }

            var isCode = _nextCode < _code.Count && _code[_nextCode].Start <= address;
            var startsWindow = _bytes > 0 && WindowStart(address) >= _end;
            if (startsWindow && (_bytes >= _segmentBytes || isCode != _isCode))
            {
                Close();
            }

            // As far as the mapping's kind stays the same and the segment has room, and always to the end of the window.
            var stop = isCode ? _code[_nextCode].End : _nextCode < _code.Count ? _code[_nextCode].Start : ulong.MaxValue;
            var room = WindowStart(address + (ulong)Math.Max(0, _segmentBytes - _bytes) + PageCursor.WindowBytes - 1);
            stop = Math.Min(Math.Min(stop, end), Math.Max(room, WindowStart(address) + PageCursor.WindowBytes));
            _isCode = isCode;
            _ranges.Add(new PageRange(address, (stop - address) / (ulong)PageRange.PageBytes));
            _bytes += (int)(stop - address);
            _end = address = stop;
        }
    }

    public void Complete()
    {
        if (_bytes > 0)
        {
            Close();
        }
    }

    private static ulong WindowStart(ulong address) => address & ~(PageCursor.WindowBytes - 1);

    private void Close()
    {
        _add(new PageSegment(_stream, _ordinal++, _pid, _ranges, _bytes), _isCode);
        _ranges = [];
        _bytes = 0;
    }
}
