using System.Security.Cryptography;
using Floe.S3;
using Floe.Store.Coding;
using Floe.Store.Indexes;
using Floe.Store.Packs;
using Floe.Store.Reading;

namespace Floe.Store;

/// <summary>How much memory the reading of a snapshot may take.</summary>
public sealed record SnapshotReaderOptions
{
    /// <summary>
    /// Memory for data fetched and decompressed ahead, for all reads at a time together, but for the MiB that each of them may need to go on; the
    /// packs' directories (0.1 % of the data) come on top. Bytes. Null: 64 MiB and a 1024th of the snapshot's content that is not zero, at most
    /// 1 GiB of that: a larger task's machine has a faster link.
    /// </summary>
    public long? BufferBudgetBytes { get; init; }

    internal long BudgetFor(long snapshotBytes) => BufferBudgetBytes ?? ((64L << 20) + Math.Clamp(snapshotBytes / 1024, 0, 1L << 30));
}

/// <summary>A committed snapshot, opened for reading. It holds no connection and nothing to dispose.</summary>
public sealed class SnapshotReader : ISnapshotSource
{
    /// <summary>Each is a few KiB, and what they take is the time until the store answers; it lets as many through as it can.</summary>
    private const int DirectoriesAtOnce = 256;

    private const int IndexBytesAtOnce = 4 << 20;

    private readonly IObjectStore _objects;
    private readonly TaskKey _task;
    private readonly SnapshotIndex _index;
    private readonly Dictionary<string, byte[]> _images;
    private readonly Dictionary<string, StoredStream> _byName;
    private readonly StoredStream[] _streams;
    private FrameMap? _map;

    private SnapshotReader(IObjectStore objects, TaskKey task, Manifest manifest, SnapshotIndex index, SnapshotReaderOptions options)
    {
        _objects = objects;
        _task = task;
        Manifest = manifest;
        _index = index;
        Memory = new ReadMemory(ReadBudget.Of(options.BudgetFor(manifest.Totals.RawBytes - manifest.Totals.ZeroBytes), objects.MaxConnections));
        _images = index.SmallImages.ToDictionary(i => i.Key, i => i.Value, StringComparer.Ordinal);
        _streams = [.. index.Streams.Select((s, i) => new StoredStream(new StreamId(i), s.Name, s.ByteCount))];
        _byName = _streams.ToDictionary(s => s.Name, StringComparer.Ordinal);
    }

    public Manifest Manifest { get; }

    public IReadOnlyCollection<string> SmallImageNames => _images.Keys;

    public IReadOnlyList<StoredStream> Streams => _streams;

    internal SnapshotIndex Index => _index;

    internal ReadMemory Memory { get; }

    /// <summary>The packs' frames; null while nothing was read.</summary>
    internal FrameMap? Map => Volatile.Read(ref _map);

    internal ObjectKey IndexKey => IndexKeyOf(_task, Manifest);

    public ReadOnlyMemory<byte>? TryGetSmallImage(string name) =>
        _images.TryGetValue(name, out var content) ? new ReadOnlyMemory<byte>?(content) : null;

    public StoredStream? TryGetStream(string name) => _byName.GetValueOrDefault(name);

    public async Task ReadStreamsAsync(IReadOnlyList<StoredStream> streams, IStreamConsumer consumer, CancellationToken cancellationToken)
    {
        var wanted = streams.Select(s => (uint)s.Id.Value < (uint)_streams.Length && _streams[s.Id.Value] == s
            ? (s, _index.Streams[s.Id.Value])
            : throw new ArgumentException($"stream '{s.Name}' is not one of this snapshot")).ToList();
        var map = await MapAsync(cancellationToken).ConfigureAwait(false);
        var read = new StreamRead(_objects, map, Memory, IndexKey);
        await using (read.ConfigureAwait(false))
        {
            await read.RunAsync(wanted, consumer, cancellationToken).ConfigureAwait(false);
        }
    }

    internal static Task<SnapshotReader> OpenAsync(IObjectStore objects, TaskKey task, Manifest manifest, SnapshotReaderOptions options, CancellationToken cancellationToken)
    {
        var key = IndexKeyOf(task, manifest);
        return StoredObjects.ReadAsync(objects, key, 0, (int)manifest.Index.Size, IndexBytesAtOnce, stored =>
        {
            if (!Convert.ToHexStringLower(SHA256.HashData(stored.Span)).Equals(manifest.Index.Sha256, StringComparison.Ordinal))
            {
                throw new SnapshotDamagedException(key.Value, "its SHA-256 does not match the manifest");
            }

            try
            {
                return new SnapshotReader(objects, task, manifest, SnapshotIndex.Parse(ChunkedReader.Read(stored.Span, manifest.Index.RawBytes).Span), options);
            }
            catch (InvalidDataException problem)
            {
                throw new SnapshotDamagedException(key.Value, problem.Message);
            }
        }, cancellationToken);
    }

    /// <summary>Every pack's directory, fetched once and kept: 0.1 % of the data.</summary>
    internal async Task<FrameMap> MapAsync(CancellationToken cancellationToken)
    {
        if (Map is { } ready)
        {
            return ready;
        }

        // Two first callers may both fetch them; either result will do.
        var directories = new PackDirectory[Manifest.Packs.Count];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = DirectoriesAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, directories.Length, parallel, async (i, token) =>
            directories[i] = await DirectoryReader.ReadAsync(_objects, _task, Manifest.Packs[i], token).ConfigureAwait(false)).ConfigureAwait(false);
        var map = new FrameMap(_task, Manifest, directories);
        return Interlocked.CompareExchange(ref _map, map, null) ?? map;
    }

    private static ObjectKey IndexKeyOf(TaskKey task, Manifest manifest) => StoreLayout.Index(task, IndexName.TryParse(manifest.Index.Name)!.Value);
}
