using Floe.S3;
using Floe.Store;

namespace Floe.Tests.Store.Doubles;

/// <summary>Short ways to take leases, write snapshots of plain byte arrays and read them back.</summary>
internal static class SnapshotFixture
{
    public static readonly TaskKey Key = TaskKey.Parse("task-1");

    public static TaskFacts Facts { get; } = new() { Command = ["sleep", "1"], WorkingDirectory = "/", RootPid = 1000, HighestPid = 1001 };

    public static MachineFacts Machine { get; } = new() { HostName = "a", Architecture = "x86_64", KernelRelease = "6.1", CriuVersion = "4.1" };

    /// <summary>Little memory, and frames of every encoding.</summary>
    public static SnapshotWriterOptions SmallBuffers => new() { BufferBudgetBytes = 8 << 20, PackBytes = 2 << 20, Compression = new EveryEncoding() };

    public static async Task<SnapshotStore> OpenAsync(IObjectStore objects, TimeProvider? time = null) =>
        await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions { TimeProvider = time ?? TimeProvider.System, CreatedBy = "test" }, create: true, default);

    public static LeaseRequest Request(string holder = "agent-1") => new() { HolderId = holder, Host = "host-of-" + holder, ProcessId = 7 };

    public static async Task<Manifest> WriteAsync(SnapshotStore store, Lease lease, KnownBlocks known, IReadOnlyDictionary<string, byte[]> streams, SnapshotWriterOptions? options = null)
    {
        await using var writer = store.BeginSnapshot(lease, known, options ?? SmallBuffers);
        Fill(writer, streams);
        return await writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default);
    }

    /// <summary>The newest snapshot, its packs' directories read and verified.</summary>
    public static async Task<SnapshotReader> OpenNewestAsync(SnapshotStore store)
    {
        var newest = (await store.ListSnapshotsAsync(Key, default))[0];
        var reader = await store.OpenSnapshotAsync(Key, newest.Seq, new SnapshotReaderOptions(), default);
        await reader.MapAsync(default);
        return reader;
    }

    /// <summary>One sink writes every stream as segments of 100,000 bytes in blocks of 16 KiB; a small image carries the names.</summary>
    public static void Fill(SnapshotWriter writer, IReadOnlyDictionary<string, byte[]> streams)
    {
        using var sink = writer.CreateSink();
        foreach (var (name, content) in streams)
        {
            var stream = writer.AddStream(name);
            var ordinal = 0;
            foreach (var segment in content.Chunk(100_000))
            {
                sink.BeginSegment(stream, ordinal++);
                foreach (var block in segment.Chunk(BlockFormat.MaxBlockBytes))
                {
                    sink.Append(block);
                }

                sink.EndSegment();
            }
        }

        writer.AddSmallImage("names", System.Text.Encoding.UTF8.GetBytes(string.Join('\n', streams.Keys)));
    }

    public static async Task<Dictionary<string, byte[]>> ReadAllAsync(ISnapshotSource source)
    {
        var collector = new Collector();
        await source.ReadStreamsAsync(source.Streams, collector, default);
        return collector.Streams;
    }

    public static void AssertEqual(IReadOnlyDictionary<string, byte[]> expected, IReadOnlyDictionary<string, byte[]> actual)
    {
        Xunit.Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach (var (name, content) in expected)
        {
            Xunit.Assert.True(content.AsSpan().SequenceEqual(actual[name]), $"stream {name} differs");
        }
    }

    public static byte[] RandomBytes(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Text-like bytes that zstd halves or better.</summary>
    public static byte[] CompressibleBytes(int seed, int length)
    {
        var random = new Random(seed);
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)('a' + random.Next(4));
        }

        return bytes;
    }

    private sealed class Collector : IStreamConsumer
    {
        private List<byte> _current = [];
        private StoredStream? _stream;

        public Dictionary<string, byte[]> Streams { get; } = [];

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken)
        {
            Xunit.Assert.Null(_stream);
            _stream = stream;
            _current = [];
            return ValueTask.CompletedTask;
        }

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            _current.AddRange(data.Span);
            return ValueTask.CompletedTask;
        }

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            _current.AddRange(new byte[byteCount]);
            return ValueTask.CompletedTask;
        }

        public ValueTask EndAsync(CancellationToken cancellationToken)
        {
            Xunit.Assert.Equal(_stream!.ByteCount, _current.Count);
            Streams.Add(_stream.Name, _current.ToArray());
            _stream = null;
            return ValueTask.CompletedTask;
        }
    }
}
