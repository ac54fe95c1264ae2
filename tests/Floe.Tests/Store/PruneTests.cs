using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

public sealed class PruneTests
{
    [Fact]
    public async Task PruneAsync_AfterManySnapshots_KeepsTwoAndWhatTheyNeed()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        var contents = Enumerable.Range(0, 5).Select(i => new Dictionary<string, byte[]> { ["s"] = [.. RandomBytes(1, 500_000), .. RandomBytes(10 + i, 100_000)] }).ToList();
        foreach (var content in contents)
        {
            await WriteAsync(store, lease, known, content);
            await store.PruneAsync(lease, known, 2, default);
        }

        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.Equal(2, listed.Count);
        for (var i = 0; i < 2; i++)
        {
            AssertEqual(contents[^(i + 1)], await ReadAllAsync(await store.OpenSnapshotAsync(Key, listed[i].Seq, new SnapshotReaderOptions(), default)));
        }

        // The pack all share, and those of the two that are kept.
        Assert.Equal(3, objects.Keys.Count(k => k.Contains("/packs/", StringComparison.Ordinal)));
        Assert.Equal(2, objects.Keys.Count(k => k.EndsWith(".index", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task PruneAsync_BlockOnlyInRemovedPack_IsStoredAgain()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        var old = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) };
        await WriteAsync(store, lease, known, old);
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(2, 300_000) });
        await store.PruneAsync(lease, known, 1, default);

        var again = await WriteAsync(store, lease, known, old);

        Assert.Equal(300_000, again.Totals.NewBytes);
        AssertEqual(old, await ReadAllAsync(await store.OpenSnapshotAsync(Key, again.Seq, new SnapshotReaderOptions(), default)));
    }

    [Fact]
    public async Task PruneAsync_WhileWriting_KeepsWhatTheWriterMayName()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        var old = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) };
        await WriteAsync(store, lease, known, old);
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(2, 300_000) });
        await using var writer = store.BeginSnapshot(lease, known, SmallBuffers);
        Fill(writer, old);
        await writer.FlushAsync(default);
        await store.PruneAsync(lease, known, 1, default);
        var manifest = await writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default);
        AssertEqual(old, await ReadAllAsync(await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default)));
    }

    [Fact]
    public async Task Learn_NextMachine_SendsOnlyNewBlocks()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        var content = RandomBytes(1, 4 << 20);
        await using (var lease = await store.AcquireLeaseAsync(Key, Request("one"), default))
        {
            await WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["s"] = content });
            await lease.ReleaseAsync(LeaseState.HandedOver, default);
        }

        await using var next = await store.AcquireLeaseAsync(Key, Request("two"), default);
        var reader = await OpenNewestAsync(store);
        var known = new KnownBlocks();
        await ReadAllAsync(reader);
        known.Learn(reader);
        content[100] ^= 1;
        var manifest = await WriteAsync(store, next, known, new Dictionary<string, byte[]> { ["s"] = content });
        Assert.Equal(BlockFormat.MaxBlockBytes, manifest.Totals.NewBytes);
        Assert.Equal(content, (await ReadAllAsync(await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default)))["s"]);
    }

    [Fact]
    public async Task DisposeAsync_AfterFlush_NextSnapshotFindsBlocksStored()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        var content = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 3 << 20) };
        await using (var precopy = store.BeginSnapshot(lease, known, SmallBuffers))
        {
            Fill(precopy, content);
            await precopy.FlushAsync(default);
        }

        var manifest = await WriteAsync(store, lease, known, content);
        Assert.Equal(0, manifest.Totals.NewBytes);
        AssertEqual(content, await ReadAllAsync(await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default)));
    }
}
