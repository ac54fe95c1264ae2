using System.Text;
using Floe.Store;
using Floe.Testing.Time;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>The removal of a task that takes longer than its lease is good for: many packs, a store that asks to slow down.</summary>
public sealed class DeleteTaskTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly MemoryObjectStore _objects;

    public DeleteTaskTests() => _objects = new MemoryObjectStore(_time) { HasClock = true };

    private static string LeaseKey => $"tasks/{Key}/lease.json";

    public ValueTask DisposeAsync() => _objects.DisposeAsync();

    [Fact]
    public async Task DeleteTaskAsync_TakesLongerThanTheTtl_NobodyCanTakeTheLeaseMeanwhile()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request("one"), default);
        await WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 50_000) });
        var refused = 0;
        AtTheFirstPack(async () =>
        {
            for (var seconds = 0; seconds < 120; seconds += 20)
            {
                var before = _objects[LeaseKey];
                _time.Advance(TimeSpan.FromSeconds(20));
                for (var i = 0; i < 500 && _objects[LeaseKey] == before; i++)
                {
                    await Task.Delay(10, TestContext.Current.CancellationToken);
                }

                // Until the holder sleeps again.
                await Task.Delay(20, TestContext.Current.CancellationToken);
                await Assert.ThrowsAsync<LeaseRefusedException>(() => store.AcquireLeaseAsync(Key, Request("two"), default));
                refused++;
            }
        });

        await store.DeleteTaskAsync(lease, default);

        Assert.Equal(6, refused);
        Assert.Equal(["floe.json"], _objects.Keys);
        Assert.Equal(LeaseStanding.Released, lease.Standing);
    }

    [Fact]
    public async Task DeleteTaskAsync_AnotherTookTheLeaseMeanwhile_ItsLeaseStays()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request("one") with { Job = new JobAttempt("job", 1) }, default);
        await WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 50_000) });
        Lease? next = null;
        AtTheFirstPack(async () => next = await store.AcquireLeaseAsync(Key, Request("two") with { Job = new JobAttempt("job", 2), TakeOverFromEarlierAttempt = true }, default));

        await Assert.ThrowsAsync<LeaseLostException>(() => store.DeleteTaskAsync(lease, default));

        Assert.Contains("\"two\"", Encoding.UTF8.GetString(_objects[LeaseKey]), StringComparison.Ordinal);
        await next!.RenewAsync(default);
        await next.DisposeAsync();
    }

    /// <summary>What was known of the newest snapshot still holds, unless that is the one that is removed.</summary>
    [Theory]
    [InlineData(0, LeaseState.HandedOver)]
    [InlineData(1, LeaseState.Released)]
    public async Task DeleteSnapshotAsync_TaskWasHandedOver_IsSoStillWhileItsNewestIsThere(int removed, LeaseState expected)
    {
        var store = await OpenAsync(_objects, _time);
        List<long> seqs = [];
        await using (var lease = await store.AcquireLeaseAsync(Key, Request("one"), default))
        {
            var known = new KnownBlocks();
            for (var i = 0; i < 2; i++)
            {
                seqs.Add((await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(i, 50_000) })).Seq);
            }

            await lease.ReleaseAsync(LeaseState.HandedOver, default);
        }

        await store.DeleteSnapshotAsync(Key, seqs[removed], Request("two"), default);

        Assert.Equal(seqs[1 - removed], Assert.Single(await store.ListSnapshotsAsync(Key, default)).Seq);
        await using var next = await store.AcquireLeaseAsync(Key, Request("three"), default);
        Assert.Equal(expected, next.TakenFrom!.State);
    }

    private void AtTheFirstPack(Func<Task> happens) => _objects.Before = async (what, key) =>
    {
        if (what == "DELETE" && key.Value.Contains("/packs/", StringComparison.Ordinal))
        {
            _objects.Before = null;
            await happens();
        }
    };
}
