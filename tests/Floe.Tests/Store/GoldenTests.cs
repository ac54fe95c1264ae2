using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.GoldenStore;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Stores written by each format version, kept for ever. They are never regenerated: a change that cannot read them is a change of format.</summary>
public sealed class GoldenTests
{
    private static readonly Dictionary<string, byte[]> s_second = new()
    {
        ["criu/pages-1.img"] = Content(40_000, 7),
        ["files/content/1"] = [.. Noise(20_000), .. new byte[100_000], .. Content(5_000, 3)],
        ["files/content/2"] = [],
    };

    private static readonly Dictionary<string, byte[]> s_first = new() { ["criu/pages-1.img"] = Content(30_000, 7), ["files/content/1"] = Noise(20_000) };

    [Fact]
    public async Task OpenSnapshotAsync_GoldenVersion1_ReadsBackEqual()
    {
        var objects = await GoldenStore.OpenAsync("v1", WriteAsync);
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: false, default);
        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.Equal([3, 2], listed.Select(l => l.Seq));
        AssertEqual(s_second, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 3, new SnapshotReaderOptions(), default)));
        AssertEqual(s_first, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 2, new SnapshotReaderOptions(), default)));
        Assert.Equal(["sleep", "1"], listed[0].Manifest!.Task.Command);
        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    [Fact]
    public async Task OpenSnapshotAsync_GoldenWithABlockSeed_ReadsBackEqual()
    {
        var objects = await GoldenStore.OpenAsync("v1-block-seed", WriteAsync);
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: false, default);
        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.All(listed, l => Assert.Equal(["blockSeed"], l.Manifest!.RequiredFeatures));
        AssertEqual(s_second, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 3, new SnapshotReaderOptions(), default)));
        AssertEqual(s_first, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 2, new SnapshotReaderOptions(), default)));
        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    private static async Task WriteAsync(MemoryObjectStore objects)
    {
        var store = await SnapshotFixture.OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        await SnapshotFixture.WriteAsync(store, lease, known, s_first);
        await SnapshotFixture.WriteAsync(store, lease, known, s_second);
        await lease.ReleaseAsync(LeaseState.HandedOver, default);
    }

    private static byte[] Content(int length, int step) => [.. Enumerable.Range(0, length).Select(i => (byte)((i / 50 * step) + (i % 50)))];
}
