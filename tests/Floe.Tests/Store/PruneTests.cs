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

    /// <summary>An agent knows of the task what it has read: the snapshot it restored, and not the one before, which is kept too.</summary>
    [Fact]
    public async Task PruneAsync_WhileWritingAfterRestore_KeepsBothSnapshots()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        var older = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) };
        var newer = new Dictionary<string, byte[]> { ["s"] = RandomBytes(2, 300_000) };
        await using (var lease = await store.AcquireLeaseAsync(Key, Request("one"), default))
        {
            var first = new KnownBlocks();
            await WriteAsync(store, lease, first, older);
            await WriteAsync(store, lease, first, newer);
            await lease.ReleaseAsync(LeaseState.HandedOver, default);
        }

        await using var next = await store.AcquireLeaseAsync(Key, Request("two"), default);
        var reader = await OpenNewestAsync(store);
        await ReadAllAsync(reader);
        var known = new KnownBlocks();
        known.Learn(reader);
        next.GoOnFrom(reader.Manifest.Seq);

        await using var writer = store.BeginSnapshot(next, known, SmallBuffers);
        await store.PruneAsync(next, known, 2, default);

        var listed = await store.ListSnapshotsAsync(Key, default);
        AssertEqual(newer, await ReadAllAsync(await store.OpenSnapshotAsync(Key, listed[0].Seq, new SnapshotReaderOptions(), default)));
        AssertEqual(older, await ReadAllAsync(await store.OpenSnapshotAsync(Key, listed[1].Seq, new SnapshotReaderOptions(), default)));
    }

    /// <summary>The snapshot that is committed meanwhile names a pack that only a snapshot below the kept ones had.</summary>
    [Theory]
    [InlineData("LIST", 1)]
    [InlineData("LIST", 2)]
    [InlineData("DELETE", 1)]
    public async Task PruneAsync_SnapshotBegunAndCommittedMeanwhile_KeepsWhatItNames(string operation, int occurrence)
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        var old = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) };
        await WriteAsync(store, lease, known, old);
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(2, 300_000) });
        Manifest? meanwhile = null;
        var seen = 0;
        objects.Before = async (what, _) =>
        {
            if (what == operation && ++seen == occurrence)
            {
                objects.Before = null;
                meanwhile = await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = [.. old["s"], .. RandomBytes(3, 300_000)] });
            }
        };

        await store.PruneAsync(lease, known, 1, default);

        await ReadAllAsync(await store.OpenSnapshotAsync(Key, meanwhile!.Seq, new SnapshotReaderOptions(), default));
        var report = await store.VerifyAsync(Key, meanwhile.Seq, default);
        Assert.True(report.IsSound, string.Join('\n', report.Problems));
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
