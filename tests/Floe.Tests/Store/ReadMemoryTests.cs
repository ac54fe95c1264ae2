using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>CRIU makes many processes at a time and takes each one's stream when it likes: the memory is that of one restore all the same.</summary>
public sealed class ReadMemoryTests
{
    private const int StreamCount = 50;

    // 64 MiB: three quarters of it are frames.
    private const int AllCells = 768;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ReadStreamsAsync_FiftyAtOnce_HaveTheMemoryOfOneAndAMiBEach()
    {
        var (reader, streams) = await StoreAsync(streamBytes: 4 << 20);
        var gates = reader.Streams.Select(_ => new Gate()).ToList();
        var reads = reader.Streams.Select((s, i) => reader.ReadStreamsAsync([s], gates[i], Token)).ToList();
        await Task.WhenAll(gates.Select(g => g.Reached)).WaitAsync(Token);

        gates.ForEach(g => g.Open());
        var most = 0;
        while (reads.Exists(r => !r.IsCompleted))
        {
            most = Math.Max(most, reader.Memory.Cells);
            await Task.WhenAny(Task.WhenAll(reads), Task.Delay(1, Token));
        }

        await Task.WhenAll(reads);
        Assert.InRange(most, 1, AllCells + (StreamCount * Floe.Store.Reading.ReadMemory.MinCells));
        Assert.Equal(0, reader.Memory.Cells);
        foreach (var (stream, gate) in reader.Streams.Zip(gates))
        {
            Assert.Equal(streams[stream.Name], gate.Content);
        }
    }

    [Fact]
    public async Task ReadStreamsAsync_OneAlone_HasAllMemory()
    {
        var (reader, streams) = await StoreAsync(streamBytes: 64 << 20, count: 1);
        var gate = new Gate();
        var read = reader.ReadStreamsAsync(reader.Streams, gate, Token);
        while (reader.Memory.Cells < AllCells)
        {
            Assert.False(read.IsCompleted);
            await Task.Delay(1, Token);
        }

        gate.Open();
        await read;
        Assert.Equal(streams.Values.Single(), gate.Content);
    }

    /// <summary>The first has all memory when the others come, and nobody takes anything of it until they are through; or the other way round.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReadStreamsAsync_OneLiesWhileOthersAreTaken_AllComeToTheirEnd(bool firstLies)
    {
        var (reader, streams) = await StoreAsync(streamBytes: 2 << 20, firstBytes: 64 << 20);
        var gates = reader.Streams.Select(_ => new Gate()).ToList();
        var first = reader.ReadStreamsAsync([reader.Streams[0]], gates[0], Token);
        while (reader.Memory.Cells < AllCells)
        {
            await Task.Delay(1, Token);
        }

        var others = reader.Streams.Skip(1).Select((s, i) => reader.ReadStreamsAsync([s], gates[i + 1], Token)).ToList();
        await Task.WhenAll(gates.Select(g => g.Reached)).WaitAsync(Token);
        if (firstLies)
        {
            gates.Skip(1).ToList().ForEach(g => g.Open());
            await Task.WhenAll(others);
            gates[0].Open();
        }
        else
        {
            gates[0].Open();
            await first;
            gates.ForEach(g => g.Open());
        }

        await Task.WhenAll([first, .. others]);
        foreach (var (stream, gate) in reader.Streams.Zip(gates))
        {
            Assert.Equal(streams[stream.Name], gate.Content);
        }
    }

    [Fact]
    public async Task ReadStreamsAsync_StreamsOfTheSameFramesWithSharesThatShrink_ReadBackEqual()
    {
        // All streams repeat what the first has, in another order: a slot stays held for several batches.
        var parts = Enumerable.Range(0, 64).Select(i => RandomBytes(i, BlockFormat.MaxBlockBytes * 16)).ToList();
        var random = new Random(5);
        var streams = Enumerable.Range(0, 12).ToDictionary(i => $"s{i:d2}", i => parts.Concat(parts).OrderBy(_ => i == 0 ? 0 : random.Next()).SelectMany(p => p).ToArray());
        var reader = await StoreAsync(streams, 4 << 20);
        var gates = reader.Streams.Select(_ => new Gate()).ToList();
        var reads = new List<Task>();
        foreach (var (stream, gate) in reader.Streams.Zip(gates))
        {
            reads.Add(reader.ReadStreamsAsync([stream], gate, Token));
            await gate.Reached.WaitAsync(Token);
            if (reads.Count > 3)
            {
                gates[reads.Count - 4].Open();
            }
        }

        gates.ForEach(g => g.Open());
        await Task.WhenAll(reads);
        foreach (var (stream, gate) in reader.Streams.Zip(gates))
        {
            Assert.Equal(streams[stream.Name], gate.Content);
        }
    }

    private static async Task<(SnapshotReader Reader, Dictionary<string, byte[]> Streams)> StoreAsync(int streamBytes, int count = StreamCount, int? firstBytes = null)
    {
        var streams = Enumerable.Range(0, count).ToDictionary(i => $"s{i:d2}", i => RandomBytes(i, i == 0 ? firstBytes ?? streamBytes : streamBytes));
        return (await StoreAsync(streams, 64 << 20), streams);
    }

    private static async Task<SnapshotReader> StoreAsync(Dictionary<string, byte[]> streams, long budgetBytes)
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var manifest = await WriteAsync(store, lease, new KnownBlocks(), streams, SmallBuffers with { BufferBudgetBytes = 64 << 20, PackBytes = 16 << 20 });
        return await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions { BufferBudgetBytes = budgetBytes }, default);
    }

    /// <summary>Takes nothing until it is opened, and looks at what it took only when the memory is asked back, as a pipe does that was lent it.</summary>
    private sealed class Gate : IStreamConsumer
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Queue<(long End, ReadOnlyMemory<byte> Data)> _lent = [];
        private readonly List<byte> _content = [];

        public Task Reached => _reached.Task;

        public long Given { get; private set; }

        public byte[] Content => [.. _content];

        public void Open() => _open.TrySetResult();

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public async ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            _reached.TrySetResult();
            await _open.Task.WaitAsync(cancellationToken);
            Given += data.Length;
            _lent.Enqueue((Given, data));
        }

        public ValueTask ReleasedAsync(long given, CancellationToken cancellationToken)
        {
            while (_lent.TryPeek(out var oldest) && oldest.End <= given)
            {
                _content.AddRange(_lent.Dequeue().Data.Span);
            }

            return ValueTask.CompletedTask;
        }

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken) => throw new NotSupportedException("no zeros were written");

        public ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
