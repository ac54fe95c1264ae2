using System.Collections.Concurrent;
using Floe.Store;
using Xunit;

namespace Floe.Tests.Files.Doubles;

/// <summary>A snapshot in memory: what was written can be read. Checks the rules that a writer must keep.</summary>
internal sealed class MemorySnapshot : ISnapshotContent, ISnapshotSource
{
    private readonly List<(string Name, ConcurrentDictionary<int, List<(byte[]? Data, long Zeros)>> Segments)> _streams = [];
    private readonly Dictionary<string, byte[]> _images = [];

    public IReadOnlyCollection<string> SmallImageNames => _images.Keys;

    public IReadOnlyList<StoredStream> Streams => [.. _streams.Select((stream, id) => new StoredStream(new StreamId(id), stream.Name, Pieces(id).Sum(piece => piece.Data?.Length ?? piece.Zeros)))];

    /// <summary>Lengths of the blocks of a stream, zero runs left out, in order.</summary>
    public IReadOnlyList<int> BlockLengths(string name) =>
        [.. Pieces(TryGetStream(name)!.Id.Value).Where(piece => piece.Data is not null).Select(piece => piece.Data!.Length)];

    public long ZeroRunBytes(string name) => Pieces(TryGetStream(name)!.Id.Value).Sum(piece => piece.Zeros);

    public int SegmentCount => _streams.Sum(stream => stream.Segments.Count);

    public StreamId AddStream(string name)
    {
        lock (_streams)
        {
            Assert.DoesNotContain(_streams, stream => stream.Name == name);
            _streams.Add((name, []));
            return new StreamId(_streams.Count - 1);
        }
    }

    public IBlockSink CreateSink() => new Sink(this);

    public void AddSmallImage(string name, byte[] content) => _images.Add(name, content);

    public ReadOnlyMemory<byte>? TryGetSmallImage(string name) => _images.TryGetValue(name, out var image) ? new ReadOnlyMemory<byte>?(image) : null;

    public StoredStream? TryGetStream(string name) => Streams.FirstOrDefault(stream => stream.Name == name);

    public async Task ReadStreamsAsync(IReadOnlyList<StoredStream> streams, IStreamConsumer consumer, CancellationToken cancellationToken)
    {
        foreach (var stream in streams)
        {
            await consumer.BeginAsync(stream, cancellationToken);
            foreach (var (data, zeros) in Pieces(stream.Id.Value))
            {
                cancellationToken.ThrowIfCancellationRequested();
                await (data is null ? consumer.ZerosAsync(zeros, cancellationToken) : consumer.DataAsync(data, cancellationToken));
            }

            await consumer.EndAsync(cancellationToken);
        }
    }

    /// <summary>Adds a stream with this content.</summary>
    public MemorySnapshot With(string name, byte[] content)
    {
        using var sink = CreateSink();
        sink.BeginSegment(AddStream(name), 0);
        foreach (var block in content.Chunk(BlockFormat.MaxBlockBytes))
        {
            sink.Append(block);
        }

        sink.EndSegment();
        return this;
    }

    private IEnumerable<(byte[]? Data, long Zeros)> Pieces(int stream)
    {
        var segments = _streams[stream].Segments;
        for (var ordinal = 0; ordinal < segments.Count; ordinal++)
        {
            Assert.True(segments.ContainsKey(ordinal), $"{_streams[stream].Name} has no segment {ordinal}");
            foreach (var piece in segments[ordinal])
            {
                yield return piece;
            }
        }
    }

    private sealed class Sink(MemorySnapshot owner) : IBlockSink
    {
        private List<(byte[]? Data, long Zeros)>? _segment;

        public void BeginSegment(StreamId stream, int ordinal)
        {
            Assert.Null(_segment);
            _segment = [];
            Assert.True(owner._streams[stream.Value].Segments.TryAdd(ordinal, _segment));
        }

        public Span<byte> Reserve(int byteCount) => new byte[byteCount];

        public void Append(ReadOnlySpan<byte> block)
        {
            Assert.InRange(block.Length, 1, BlockFormat.MaxBlockBytes);
            _segment!.Add((block.ToArray(), 0));
        }

        public void AppendZeros(long byteCount)
        {
            Assert.True(byteCount > 0);
            _segment!.Add((null, byteCount));
        }

        public void EndSegment() => _segment = null;

        public void Dispose()
        {
        }
    }
}
