using System.Threading.Channels;
using Floe.Store;

namespace Floe.Agent.Files;

/// <summary>
/// Gives each file its place in a content stream, in the order in which files are found, and hands full segments to the
/// readers. Places are known before the content is read, because the files are frozen and their lengths are known.
/// </summary>
/// <param name="maxFiles">In one segment.</param>
internal sealed class ContentScheduler(
    ISnapshotContent content, int streamCount, int maxFiles, ChannelWriter<ContentSegment> segments, CancellationToken cancellationToken) : IDisposable
{
    private readonly List<Lane> _lanes = [];
    private Lane? _small;

    /// <param name="open">Opens the file for a number of users, each of which releases it once.</param>
    /// <returns>The stream and the offset in it where the file's content will lie.</returns>
    public (int Stream, long Offset) Add(long byteCount, Func<int, OpenedFile> open) =>
        byteCount <= ContentSegment.SmallFileBytes ? AddSmall(byteCount, open) : AddLarge(byteCount, open);

    public void Complete()
    {
        if (_small?.Open is { } segment)
        {
            _small.Open = null;
            Send(segment);
        }
    }

    /// <summary>Closes the files of a segment that was never handed over.</summary>
    public void Dispose() => _small?.Open?.Dispose();

    /// <summary>Small files share a segment.</summary>
    private (int Stream, long Offset) AddSmall(long byteCount, Func<int, OpenedFile> open)
    {
        if (_small?.Open is null)
        {
            _small = NextLane();
            _small.Open = _small.Begin();
        }

        var lane = _small;
        var segment = lane.Open!;
        segment.Add(new FileRange(open(1), 0, byteCount));
        var offset = lane.Advance(byteCount);
        if (segment.IsFull)
        {
            lane.Open = null;
            Send(segment);
        }

        return (lane.Number, offset);
    }

    /// <summary>A large file is cut into segments of its own, which the readers share.</summary>
    private (int Stream, long Offset) AddLarge(long byteCount, Func<int, OpenedFile> open)
    {
        Complete();
        var lane = NextLane();
        var parts = checked((int)((byteCount + ContentSegment.MaxBytes - 1) / ContentSegment.MaxBytes));
        var file = open(parts);
        var offset = lane.Advance(byteCount);
        var sent = 0;
        try
        {
            while (sent < parts)
            {
                var start = sent * ContentSegment.MaxBytes;
                var segment = lane.Begin();
                segment.Add(new FileRange(file, start, Math.Min(ContentSegment.MaxBytes, byteCount - start)));
                sent++;
                Send(segment);
            }
        }
        finally
        {
            for (; sent < parts; sent++)
            {
                file.Release();
            }
        }

        return (lane.Number, offset);
    }

    private Lane NextLane()
    {
        if (_lanes.Count == streamCount)
        {
            return _lanes.MinBy(static lane => lane.ByteCount)!;
        }

        var added = new Lane(_lanes.Count, maxFiles, content.AddStream(FileStreams.ContentName(_lanes.Count)));
        _lanes.Add(added);
        return added;
    }

    /// <summary>Ownership passes. Synchronous on purpose: the scan is one CPU-bound thread, and this is its back-pressure.</summary>
    private void Send(ContentSegment segment)
    {
        try
        {
            while (!segments.TryWrite(segment))
            {
                if (!segments.WaitToWriteAsync(cancellationToken).AsTask().GetAwaiter().GetResult())
                {
                    throw new OperationCanceledException("the readers have stopped", cancellationToken);
                }
            }
        }
        catch
        {
            segment.Dispose();
            throw;
        }
    }

    private sealed class Lane(int number, int maxFiles, StreamId stream)
    {
        private int _segmentCount;

        public int Number => number;

        public long ByteCount { get; private set; }

        public ContentSegment? Open { get; set; }

        public ContentSegment Begin() => new(stream, _segmentCount++, maxFiles);

        public long Advance(long byteCount)
        {
            var offset = ByteCount;
            ByteCount += byteCount;
            return offset;
        }
    }
}
