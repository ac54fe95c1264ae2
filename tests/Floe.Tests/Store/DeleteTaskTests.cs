using System.Text;
using Floe.S3;
using Floe.Store;
using Floe.Testing.S3;
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

    /// <summary>The request that removed the lease got through and its answer did not; the next agent, which waits for it, is there before anything is asked again.</summary>
    [Fact]
    public async Task DeleteTaskAsync_AnswerOfTheRemovalLost_LeaseOfTheNextAgentStays()
    {
        await using var server = await S3Double.StartAsync();
        await using var objects = server.Open("store");
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request("one"), default);
        var leaseKey = $"store/{LeaseKey}";
        var next = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(server.Read(leaseKey)!).Replace("\"one\"", "\"two\"", StringComparison.Ordinal));
        server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer) { Where = call => call.Method == "DELETE" && call.Key == leaseKey });
        server.Faults.Add(new(S3DoubleFaultKind.Error)
        {
            Where = call =>
            {
                // Seen before each request is answered.
                if (call.Key == leaseKey && server.Read(leaseKey) is null)
                {
                    server.Write(leaseKey, next);
                }

                return false;
            },
        });

        await store.DeleteTaskAsync(lease, default);

        Assert.Equal(next, server.Read(leaseKey));
        Assert.Equal(LeaseStanding.Released, lease.Standing);
    }

    [Fact]
    public async Task DeleteTaskAsync_StoreAsksToSlowDownAtTheLease_IsRemovedAfterAPause()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request("one"), default);
        var refusals = 2;
        _objects.Before = (what, key) => what == "DELETE" && key.Value == LeaseKey && refusals-- > 0
            ? throw new ObjectStoreException(ObjectStoreErrorKind.Busy, "slow down") : Task.CompletedTask;

        var removal = store.DeleteTaskAsync(lease, default);
        for (var i = 0; i < 2; i++)
        {
            await _time.WhenTimerStartsAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        await removal;
        Assert.Equal(["floe.json"], _objects.Keys);
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
