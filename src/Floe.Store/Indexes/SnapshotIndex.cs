using Floe.Store.Coding;
using Floe.Store.Writing;

namespace Floe.Store.Indexes;

/// <param name="Segments">In order; their contents one after the other are the stream's.</param>
internal sealed record IndexedStream(string Name, IReadOnlyList<StreamSegment> Segments)
{
    public long ByteCount { get; } = Segments.Aggregate(0L, (sum, s) => checked(sum + s.ByteCount));
}

/// <summary>
/// What a snapshot consists of: its small images whole, and for every stream the runs of blocks that make it up
/// (docs/format.md, "Index").
/// </summary>
internal sealed record SnapshotIndex(IReadOnlyList<KeyValuePair<string, byte[]>> SmallImages, IReadOnlyList<IndexedStream> Streams)
{
    public const int MaxNameBytes = 4096;
    public const int MaxSmallImageBytes = 1 << 20;

    /// <summary>Of an index as it is stored, and of its body: a manifest that says more is not taken.</summary>
    public const int MaxBytes = 1 << 30;

    /// <summary>A stream may be as long as a signed 64-bit count of bytes allows.</summary>
    public const long MaxStreamBytes = long.MaxValue >> 3;

    /// <summary>The body's bytes but for names and counts.</summary>
    public long ContentBytes => SmallImages.Sum(i => (long)i.Value.Length) + Streams.Sum(s => s.Segments.Sum(segment => (long)segment.Runs.Length));

    public void WriteTo(ChunkedWriter to)
    {
        var body = to.Raw;
        body.Varint(SmallImages.Count);
        foreach (var (name, content) in SmallImages)
        {
            body.Text(name);
            body.Varint(content.Length);
            body.Bytes(content);
            to.CompressFullChunks();
        }

        body.Varint(Streams.Count);
        foreach (var stream in Streams)
        {
            body.Text(stream.Name);
            body.Varint(stream.Segments.Count);
            foreach (var segment in stream.Segments)
            {
                body.Varint(segment.ByteCount);
                body.Varint(segment.Runs.Length);
                body.Bytes(segment.Runs);
                to.CompressFullChunks();
            }
        }
    }

    /// <summary>Parses an index whose SHA-256 the caller has checked, and which is distrusted all the same. A breach is an <see cref="InvalidDataException"/>.</summary>
    public static SnapshotIndex Parse(ReadOnlySpan<byte> body)
    {
        var reader = new ByteReader(body);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var imageCount = reader.Varint(reader.Remaining, "the number of small images");
        var images = new List<KeyValuePair<string, byte[]>>();
        for (long i = 0; i < imageCount; i++)
        {
            var name = ReadName(ref reader, names);
            var length = (int)reader.Varint(MaxSmallImageBytes, "a small image's length");
            images.Add(new(name, reader.Bytes(length).ToArray()));
        }

        names.Clear();
        var streamCount = reader.Varint(reader.Remaining, "the number of streams");
        var streams = new List<IndexedStream>();
        for (long i = 0; i < streamCount; i++)
        {
            var name = ReadName(ref reader, names);
            var segmentCount = reader.Varint(reader.Remaining, "the number of segments");
            var segments = new List<StreamSegment>();
            long total = 0;
            for (long s = 0; s < segmentCount; s++)
            {
                var bytes = reader.Varint(MaxStreamBytes, "a segment's length");
                var runs = (int)reader.Varint(reader.Remaining, "the length of a segment's runs");
                segments.Add(new StreamSegment(bytes, reader.Bytes(runs).ToArray()));
                total = total <= MaxStreamBytes - bytes ? total + bytes : throw new InvalidDataException($"stream '{name}' is impossibly long");
            }

            streams.Add(new IndexedStream(name, segments));
        }

        reader.End();
        return new SnapshotIndex(images, streams);
    }

    private static string ReadName(ref ByteReader reader, HashSet<string> names)
    {
        var name = reader.Text(MaxNameBytes, "a name's length");
        return name.Length > 0 && names.Add(name) ? name : throw new InvalidDataException($"the name '{name}' is empty or there twice");
    }
}
