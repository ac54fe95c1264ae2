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
}
