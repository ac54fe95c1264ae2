using Floe.Store.Indexes;

namespace Floe.Store.Writing;

/// <summary>The streams and small images of a snapshot being written. Safe for concurrent use.</summary>
internal sealed class StreamTable
{
    private readonly Lock _lock = new();
    private readonly List<(string Name, SortedDictionary<int, StreamSegment> Segments)> _streams = [];
    private readonly List<KeyValuePair<string, byte[]>> _images = [];
    private readonly HashSet<string> _streamNames = new(StringComparer.Ordinal);
    private readonly HashSet<string> _imageNames = new(StringComparer.Ordinal);

    public StreamId AddStream(string name)
    {
        CheckName(name);
        lock (_lock)
        {
            if (!_streamNames.Add(name))
            {
                throw new ArgumentException($"there is a stream '{name}' already");
            }

            _streams.Add((name, []));
            return new StreamId(_streams.Count - 1);
        }
    }

    public void AddSmallImage(string name, byte[] content)
    {
        CheckName(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, SnapshotIndex.MaxSmallImageBytes);
        lock (_lock)
        {
            if (!_imageNames.Add(name))
            {
                throw new ArgumentException($"there is a small image '{name}' already");
            }

            _images.Add(new(name, content));
        }
    }

    public void CheckStream(StreamId stream)
    {
        lock (_lock)
        {
            if ((uint)stream.Value >= (uint)_streams.Count)
            {
                throw new ArgumentException("the stream is not one of this snapshot");
            }
        }
    }

    public void AddSegment(StreamId stream, int ordinal, StreamSegment segment)
    {
        lock (_lock)
        {
            if (!_streams[stream.Value].Segments.TryAdd(ordinal, segment))
            {
                throw new InvalidOperationException($"segment {ordinal} of stream '{_streams[stream.Value].Name}' was written twice");
            }
        }
    }

    /// <summary>Everything added; a stream with a missing segment is an <see cref="InvalidOperationException"/>.</summary>
    public SnapshotIndex ToIndex()
    {
        lock (_lock)
        {
            var streams = new List<IndexedStream>(_streams.Count);
            foreach (var (name, segments) in _streams)
            {
                if (segments.Count > 0 && segments.Keys.Last() != segments.Count - 1)
                {
                    throw new InvalidOperationException($"stream '{name}' has {segments.Count} segments, but one numbered {segments.Keys.Last()}: some are missing");
                }

                streams.Add(new IndexedStream(name, [.. segments.Values]));
            }

            return new SnapshotIndex([.. _images], streams);
        }
    }

    private static void CheckName(string name)
    {
        if (name.Length == 0 || System.Text.Encoding.UTF8.GetByteCount(name) > SnapshotIndex.MaxNameBytes)
        {
            throw new ArgumentException($"a name has 1 to {SnapshotIndex.MaxNameBytes} bytes");
        }
    }
}
