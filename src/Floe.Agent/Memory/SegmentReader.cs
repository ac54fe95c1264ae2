using Floe.Store;

namespace Floe.Agent.Memory;

/// <summary>One thread's way from a process's pages into a snapshot.</summary>
internal sealed class SegmentReader(ISnapshotContent content, bool mayShare) : IDisposable
{
    // What is read is hashed at once: small enough to be still in the processor's second-level cache.
    private const int PieceBytes = BlockFormat.MaxReservedBytes;

    private readonly IBlockSink _sink = content.CreateSink();
    private readonly List<PagePiece> _pieces = [];
    private ProcessMemory? _memory;
    private int _pid;

    public void Read(PageSegment segment, CancellationToken cancellationToken)
    {
        if (_memory is null || _pid != segment.Pid)
        {
            _memory?.Dispose();
            _memory = new ProcessMemory(segment.Pid, mayShare);
            _pid = segment.Pid;
        }

        _sink.BeginSegment(segment.Stream, segment.Ordinal);
        var cursor = new PageCursor(segment.Ranges);
        while (!cursor.AtEnd)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _pieces.Clear();
            var bytes = cursor.Take(_pieces, PieceBytes);
            var span = _sink.Reserve(bytes);
            _memory.Read(_pieces, span);
            AppendBlocks(span);
        }

        _sink.EndSegment();
    }

    public void Dispose()
    {
        _memory?.Dispose();
        _sink.Dispose();
    }

    private void AppendBlocks(ReadOnlySpan<byte> bytes)
    {
        var offset = 0;
        for (var i = 0; i < _pieces.Count;)
        {
            var length = _pieces[i].Bytes;
            var window = _pieces[i].Window;
            for (i++; i < _pieces.Count && _pieces[i].Window == window; i++)
            {
                length += _pieces[i].Bytes;
            }

            _sink.Append(bytes.Slice(offset, length));
            offset += length;
        }
    }
}
