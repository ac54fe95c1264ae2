using ContentImageSink = Floe.Agent.Snapshots.ContentImageSink;
using Floe.S3;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

public sealed class RoundTripTests
{
    [Fact]
    public async Task CommitAsync_StreamsAndSmallImages_ReadBackEqual()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        var streams = new Dictionary<string, byte[]>
        {
            ["criu/pages-1.img"] = [.. RandomBytes(1, 5_000_000), .. new byte[300_000], .. CompressibleBytes(2, 3_000_001)],
            ["files/content/1"] = CompressibleBytes(3, 777),
            ["files/content/2"] = [],
            ["zeros"] = new byte[1_000_000],
        };
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var manifest = await WriteAsync(store, lease, new KnownBlocks(), streams);

        var reader = await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default);
        AssertEqual(streams, await ReadAllAsync(reader));
        Assert.Equal(string.Join('\n', streams.Keys), System.Text.Encoding.UTF8.GetString(reader.TryGetSmallImage("names")!.Value.Span));
        Assert.Null(reader.TryGetStream("no such"));
        Assert.Null(reader.TryGetSmallImage("no such"));
    }

    [Fact]
    public async Task CommitAsync_SecondSnapshot_SendsOnlyNewBlocks()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        var content = RandomBytes(1, 8 << 20);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = content });
        var first = objects.BytesPut;

        content[5_000_000] ^= 1;
        var manifest = await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = content });

        Assert.InRange(objects.BytesPut - first, 1, 32_000);
        Assert.InRange(manifest.Totals.NewBytes, 1, BlockFormat.MaxBlockBytes);
        var reader = await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default);
        Assert.Equal(content, (await ReadAllAsync(reader))["s"]);
    }

    /// <summary>Memory that is all zeros is sent as its length, whoever notices that it is: the reader of the pages, or the sink.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CommitAsync_Zeros_AreNotSent(bool told)
    {
        const int length = 64 << 20;
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers);
        var before = objects.BytesPut;
        using (var sink = writer.CreateSink())
        {
            sink.BeginSegment(writer.AddStream("s"), 0);
            for (var i = 0; i < length / BlockFormat.MaxBlockBytes; i++)
            {
                if (told)
                {
                    sink.AppendZeros(BlockFormat.MaxBlockBytes);
                }
                else
                {
                    sink.Append(new byte[BlockFormat.MaxBlockBytes]);
                }
            }

            sink.EndSegment();
        }

        var totals = (await writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default)).Totals;

        Assert.Equal((length, length, 0), (totals.RawBytes, totals.ZeroBytes, totals.NewBytes));
        Assert.InRange(objects.BytesPut - before, 1, 4096);
    }

    /// <summary>A snapshot that no reader takes must fail while its task can still run on, and not at the restore.</summary>
    [Fact]
    public async Task CommitAsync_IndexThatNoReaderTakes_Fails()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers);
        var image = new byte[1 << 20];
        for (var i = 0; i <= 1024; i++)
        {
            writer.AddSmallImage($"criu/image-{i}.img", image);
        }

        var refused = await Assert.ThrowsAsync<ObjectStoreException>(() => writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default));

        Assert.Equal(ObjectStoreErrorKind.TooLarge, refused.Kind);
        Assert.Empty(await store.ListSnapshotsAsync(Key, default));
        Assert.DoesNotContain(objects.Keys, k => k.EndsWith(".index", StringComparison.Ordinal));
    }

    /// <summary>A store that takes nothing and fails nothing: whoever waits for a buffer must not wait for its retries.</summary>
    [Fact]
    public async Task Append_StoppedWhileItWaitsForAnUpload_Ends()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var hangs = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        objects.Before = (_, key) =>
        {
            entered.TrySetResult();
            return key.Value.Contains("/packs/", StringComparison.Ordinal) ? hangs.Task : Task.CompletedTask;
        };
        using var stop = new CancellationTokenSource();
        var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers with { Stop = stop.Token });
        var filling = Task.Run(() => Fill(writer, new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 32 << 20) }));
        await entered.Task.WaitAsync(TestContext.Current.CancellationToken);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => filling.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writer.FlushAsync(default));
        hangs.SetResult();
        await writer.DisposeAsync();
    }

    /// <summary>What has ended the snapshot is told by then, and a sink in the middle of a segment has nothing that counts.</summary>
    [Fact]
    public async Task Dispose_SinkInTheMiddleOfASegmentWhenTheSnapshotHasFailed_IsSilent()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        using var stop = new CancellationTokenSource();
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers with { Stop = stop.Token });
        var sink = writer.CreateSink();
        sink.BeginSegment(writer.AddStream("s"), 0);
        sink.Append(RandomBytes(1, 1000));
        await stop.CancelAsync();
        sink.Dispose();
    }

    [Fact]
    public async Task Dispose_ImageThatDidNotComeWhole_GivesItsSinkBackAndNoCommitTakesIt()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers);
        using (var image = new ContentImageSink(writer, null!).OpenStream("ghost-file-1.img"))
        {
            image.Append(RandomBytes(1, 1000));
        }

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default));
        Assert.Contains("in the middle of a segment", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Blocks that wait in reserved memory while frames are closed, compressed or not, known or not, behind them.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Append_FromReservedMemory_ReadsBackEqual(int seed)
    {
        var store = await OpenAsync(new MemoryObjectStore());
        var random = new Random(seed);
        var content = new MemoryStream();
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers);
        using (var sink = writer.CreateSink())
        {
            sink.BeginSegment(writer.AddStream("s"), 0);
            var part = RandomBytes(99, 1 << 20);
            while (content.Length < 12 << 20)
            {
                var length = random.Next(1, 17) * 4096;
                var kind = content.Length / (1 << 20) % 4;
                var fresh = kind switch { 0 => CompressibleBytes(random.Next(), length), 1 => new byte[length], 2 => part.AsSpan(random.Next(8) * 65536, length).ToArray(), _ => RandomBytes(random.Next(), length) };
                var reserved = sink.Reserve(length);
                fresh.CopyTo(reserved);
                content.Write(fresh);
                for (var at = 0; at < length;)
                {
                    var block = Math.Min(length - at, random.Next(1, 5) * 4096);
                    sink.Append(reserved.Slice(at, block));
                    at += block;
                }
            }

            sink.EndSegment();
        }

        var manifest = await writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default);
        var reader = await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default);
        AssertEqual(new Dictionary<string, byte[]> { ["s"] = content.ToArray() }, await ReadAllAsync(reader));
    }
}
