using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>A holder that could restore an older snapshot only, and goes on from there: what it commits is whole, whatever is damaged.</summary>
public sealed class FallbackTests
{
    private static readonly byte[] s_shared = RandomBytes(1, 600_000);
    private static readonly byte[] s_late = RandomBytes(2, 600_000);
    private static readonly Dictionary<string, byte[]> s_first = new() { ["s"] = [.. s_shared, .. RandomBytes(3, 600_000)] };
    private static readonly Dictionary<string, byte[]> s_second = new() { ["s"] = s_shared };
    private static readonly Dictionary<string, byte[]> s_third = new() { ["s"] = [.. s_first["s"][600_000..], .. s_late] };

    public static readonly TheoryData<string> Damages = new() { "a block of its own pack", "its own pack is missing", "a block of a shared pack" };

    /// <summary>The task makes the very blocks again that the damaged snapshot had.</summary>
    [Theory]
    [MemberData(nameof(Damages))]
    public async Task CommitAsync_NewestWasDamaged_NextSnapshotIsWhole(string damage)
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        var damaged = await ThreeSnapshotsAsync(objects, store, damage);

        await using var lease = await store.AcquireLeaseAsync(Key, Request("next"), default);
        var (seq, known) = await GoOnAsync(store, lease);
        var manifest = await WriteAsync(store, lease, known, s_third);

        AssertEqual(s_third, await ReadAllAsync(await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default)));
        Assert.True((await store.VerifyAsync(Key, manifest.Seq, default)).Problems.All(p => p.ObjectKey == damaged));
        Assert.InRange(manifest.OldestKept, 1, seq);
    }

    [Fact]
    public async Task PruneAsync_NewestWasDamaged_KeepsTheOneGoneOnFrom()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await ThreeSnapshotsAsync(objects, store, "a block of its own pack");

        await using var lease = await store.AcquireLeaseAsync(Key, Request("next"), default);
        var (seq, known) = await GoOnAsync(store, lease);
        await store.PruneAsync(lease, known, 1, default);
        Assert.Contains(await store.ListSnapshotsAsync(Key, default), l => l.Seq == seq);

        var own = await WriteAsync(store, lease, known, s_third);
        await store.PruneAsync(lease, known, 2, default);
        Assert.Contains(await store.ListSnapshotsAsync(Key, default), l => l.Seq == seq);
        AssertEqual(s_second, await ReadAllAsync(await store.OpenSnapshotAsync(Key, seq, new SnapshotReaderOptions(), default)));

        // Two of its own, and neither the old ones nor the damaged one are of use any more.
        var last = await WriteAsync(store, lease, known, s_first);
        await store.PruneAsync(lease, known, 2, default);
        Assert.Equal([last.Seq, own.Seq], (await store.ListSnapshotsAsync(Key, default)).Select(l => l.Seq));
        var report = await store.VerifyAsync(Key, null, default);
        Assert.True(report.IsSound, string.Join('\n', report.Problems));
    }

    [Fact]
    public async Task Learn_BlocksThatWereNotRead_AreSentAgain()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var first = await WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["s"] = s_shared, ["t"] = s_late });
        var reader = await store.OpenSnapshotAsync(Key, first.Seq, new SnapshotReaderOptions(), default);
        await reader.ReadStreamsAsync([reader.TryGetStream("s")!], new Ignored(), default);
        var known = new KnownBlocks();
        known.Learn(reader);

        var again = await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = s_shared, ["t"] = s_late });

        // At most the frame in which both streams meet was read with the first.
        Assert.InRange(again.Totals.NewBytes, s_late.Length - BlockFormat.MaxFrameBytes, s_late.Length);
        Assert.Equal(s_late, (await ReadAllAsync(await store.OpenSnapshotAsync(Key, again.Seq, new SnapshotReaderOptions(), default)))["t"]);
    }

    /// <returns>What the damaged object is called.</returns>
    private static async Task<string> ThreeSnapshotsAsync(MemoryObjectStore objects, SnapshotStore store, string damage)
    {
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        await WriteAsync(store, lease, known, s_first);
        await WriteAsync(store, lease, known, s_second);
        var shared = Packs(objects);
        await WriteAsync(store, lease, known, s_third);
        await lease.ReleaseAsync(LeaseState.HandedOver, default);
        var own = Packs(objects).Except(shared).First();
        switch (damage)
        {
            case "a block of its own pack":
                Flip(objects, own, 1000);
                return own;
            case "its own pack is missing":
                objects.Remove(own);
                return own;
            default:
                // Of the part that the second snapshot does not read.
                var pack = Packs(objects)[0];
                Flip(objects, pack, 1_100_000);
                return pack;
        }
    }

    private static List<string> Packs(MemoryObjectStore objects) => [.. objects.Keys.Where(k => k.Contains("/packs/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static void Flip(MemoryObjectStore objects, string key, int at)
    {
        var bytes = (byte[])objects[key].Clone();
        bytes[at] ^= 4;
        objects[key] = bytes;
    }

    /// <summary>What a restore does: the newest snapshot that can be read.</summary>
    private static async Task<(long Seq, KnownBlocks Known)> GoOnAsync(SnapshotStore store, Lease lease)
    {
        foreach (var listing in await store.ListSnapshotsAsync(Key, default))
        {
            try
            {
                var reader = await store.OpenSnapshotAsync(Key, listing.Seq, new SnapshotReaderOptions(), default);
                AssertEqual(s_second, await ReadAllAsync(reader));
                lease.GoOnFrom(listing.Seq);
                var known = new KnownBlocks();
                known.Learn(reader);
                return (listing.Seq, known);
            }
            catch (SnapshotDamagedException)
            {
            }
        }

        throw new InvalidOperationException("no snapshot can be read");
    }

    private sealed class Ignored : IStreamConsumer
    {
        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
