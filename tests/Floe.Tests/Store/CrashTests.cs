using Floe.S3;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>A second snapshot, and the pruning after it, on a store that fails or dies at every operation in turn.</summary>
public sealed class CrashTests
{
    private static readonly Dictionary<string, byte[]> s_first = new() { ["s"] = RandomBytes(1, 3_000_000), ["t"] = CompressibleBytes(2, 500_000) };
    private static readonly Dictionary<string, byte[]> s_second = new() { ["s"] = [.. RandomBytes(1, 2_000_000), .. RandomBytes(3, 3_000_000)], ["t"] = s_first["t"] };
    private static readonly Dictionary<string, byte[]> s_third = new() { ["s"] = [.. RandomBytes(4, 100_000), .. s_second["s"]], ["u"] = RandomBytes(5, 10_000) };

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task SecondSnapshot_StoreFailsAtEveryOperation_HistoryStaysWhole(bool dies, bool afterEffect)
    {
        for (var operation = 1; ; operation++)
        {
            if (!await RunAsync(operation, dies, afterEffect))
            {
                Assert.True(operation > 6, "the fault never struck");
                return;
            }
        }
    }

    /// <summary>False when the work needs fewer operations than that.</summary>
    private static async Task<bool> RunAsync(int operation, bool dies, bool afterEffect)
    {
        var objects = new MemoryObjectStore { MaxConnections = 1 };
        var store = await OpenAsync(objects);
        var known = new KnownBlocks();
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await WriteAsync(store, lease, known, s_first);

        objects.FailsAfterEffect = afterEffect;
        (dies ? v => objects.DiesAt = v : (Action<int>)(v => objects.FailsAt = v))(objects.Operations + operation);
        var before = objects.Operations;
        var failed = false;
        var committed = false;
        try
        {
            await WriteAsync(store, lease, known, s_second);
            committed = true;
            await store.PruneAsync(lease, known, 1, default);
        }
        catch (ObjectStoreException fault) when (fault.Message.StartsWith("injected", StringComparison.Ordinal))
        {
            failed = true;
        }

        var struck = objects.Operations - before >= operation;
        Assert.True(failed || !struck || afterEffect || committed);
        objects.DiesAt = 0;
        objects.FailsAt = 0;

        await AssertSoundAsync(store, committed);
        if (dies)
        {
            // The agent died with its store: the next one has only what is stored.
            await lease.ReleaseAsync(LeaseState.Released, default);
            await using var next = await store.AcquireLeaseAsync(Key, Request("agent-2"), default);
            var reader = await OpenNewestAsync(store);
            var fresh = new KnownBlocks();
            await ReadAllAsync(reader);
            fresh.Learn(reader);
            await AssertThirdAsync(store, next, fresh);
        }
        else
        {
            await AssertThirdAsync(store, lease, known);
        }

        return struck;
    }

    private static async Task AssertSoundAsync(SnapshotStore store, bool committed)
    {
        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.NotEmpty(listed);
        Assert.All(listed, l => Assert.Null(l.Problem));
        Assert.True(!committed || listed[0].Manifest!.Totals.RawBytes == s_second.Values.Sum(v => v.Length));
        foreach (var listing in listed)
        {
            var isFirst = listing.Seq == listed.Min(l => l.Seq) && listing.Manifest!.Totals.RawBytes == s_first.Values.Sum(v => v.Length);
            var reader = await store.OpenSnapshotAsync(Key, listing.Seq, new SnapshotReaderOptions(), default);
            AssertEqual(isFirst ? s_first : s_second, await ReadAllAsync(reader));
        }

        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    private static async Task AssertThirdAsync(SnapshotStore store, Lease lease, KnownBlocks known)
    {
        var manifest = await WriteAsync(store, lease, known, s_third);
        await store.PruneAsync(lease, known, 2, default);
        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.Equal(manifest.Seq, listed[0].Seq);
        Assert.InRange(listed.Count, 1, 2);
        AssertEqual(s_third, await ReadAllAsync(await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default)));
        var report = await store.VerifyAsync(Key, null, default);
        Assert.True(report.IsSound, string.Join('\n', report.Problems));
    }
}
