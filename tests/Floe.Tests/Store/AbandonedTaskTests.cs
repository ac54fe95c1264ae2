using Floe.Store;
using Floe.Testing.Time;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>What nobody has touched for long is removed, and nothing that somebody takes up while it is looked at.</summary>
public sealed class AbandonedTaskTests : IAsyncDisposable
{
    private static readonly Dictionary<string, byte[]> s_content = new() { ["s"] = RandomBytes(1, 50_000) };

    private readonly FakeTimeProvider _time = new();
    private readonly MemoryObjectStore _objects;

    public AbandonedTaskTests() => _objects = new MemoryObjectStore(_time) { HasClock = true };

    private static string LeaseKey => $"tasks/{Key}/lease.json";

    public ValueTask DisposeAsync() => _objects.DisposeAsync();

    [Theory]
    [InlineData(LeaseState.Held)]
    [InlineData(LeaseState.HandedOver)]
    [InlineData(LeaseState.Released)]
    public async Task TryRemove_Untouched_IsGone(LeaseState left)
    {
        var store = await LeftAsync(left);
        Assert.True(await TryRemoveAsync(store));
        Assert.Equal(["floe.json"], _objects.Keys);
    }

    [Fact]
    public async Task TryRemove_TouchedSince_IsThereUnchanged()
    {
        var store = await LeftAsync(LeaseState.HandedOver);
        _objects[$"tasks/{Key}/trace.json"] = "{}"u8.ToArray();
        var lease = _objects[LeaseKey];
        Assert.False(await TryRemoveAsync(store));
        Assert.Same(lease, _objects[LeaseKey]);
        await AssertWholeAsync(store);
    }

    /// <summary>Between the look at its age and the taking of its lease.</summary>
    [Fact]
    public async Task TryRemove_TakenUpMeanwhile_IsTheOtherAgents()
    {
        var store = await LeftAsync(LeaseState.HandedOver);
        Lease? other = null;
        AtTheLease(async () => other = await store.AcquireLeaseAsync(Key, Request("two"), default));

        Assert.False(await TryRemoveAsync(store));

        await other!.RenewAsync(default);
        await other.DisposeAsync();
        await AssertWholeAsync(store);
    }

    [Theory]
    [InlineData(LeaseState.HandedOver)]
    [InlineData(LeaseState.Released)]
    public async Task TryRemove_TakenUpAndLeftAgainMeanwhile_IsThereAsItWasLeft(LeaseState left)
    {
        var store = await LeftAsync(LeaseState.HandedOver);
        AtTheLease(async () =>
        {
            await using var other = await store.AcquireLeaseAsync(Key, Request("two"), default);
            await other.ReleaseAsync(left, default);
        });

        Assert.False(await TryRemoveAsync(store));

        Assert.Equal(left, (await store.ReadTaskAsync(Key, default)).Lease!.State);
        await AssertWholeAsync(store);
    }

    /// <summary>A paused machine whose lease nobody took.</summary>
    [Fact]
    public async Task TryRemove_HolderComesBackMeanwhile_IsTheHolders()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request("one") with { Ttl = TimeSpan.FromHours(1) }, default);
        await WriteAsync(store, lease, new KnownBlocks(), s_content);
        var written = _objects[LeaseKey];
        AtTheLease(() => lease.RenewAsync(default));

        // It renews itself as time passes, so what is asked for is less than that.
        Assert.False(await store.TryRemoveAbandonedAsync(Key, Request("gc"), _time.GetUtcNow() + TimeSpan.FromSeconds(1), default));

        Assert.NotSame(written, _objects[LeaseKey]);
        await lease.RenewAsync(default);
        await AssertWholeAsync(store);
    }

    [Fact]
    public async Task TryRemove_LeaseCannotBeReadAndIsOld_IsGone()
    {
        var store = await LeftAsync(LeaseState.Held, lease => lease[5] ^= 0xFF);
        Assert.True(await TryRemoveAsync(store));
        Assert.Equal(["floe.json"], _objects.Keys);
    }

    /// <summary>Its bytes change on the way, and differently each time: nothing is known of it.</summary>
    [Fact]
    public async Task TryRemove_LeaseIsReadWrong_IsThere()
    {
        var store = await LeftAsync(LeaseState.HandedOver);
        byte reads = 0;
        _objects.OnItsWay = (key, _, bytes) => bytes[0] = key.Value == LeaseKey ? ++reads : bytes[0];
        await Assert.ThrowsAsync<Floe.S3.ObjectStoreException>(() => TryRemoveAsync(store));
        _objects.OnItsWay = null;
        await AssertWholeAsync(store);
    }

    /// <summary>A task with a snapshot, an hour after its agent was last heard of.</summary>
    private async Task<SnapshotStore> LeftAsync(LeaseState state, Action<byte[]>? damage = null)
    {
        var store = await OpenAsync(_objects, _time);
        await using (var lease = await store.AcquireLeaseAsync(Key, Request("one"), default))
        {
            await WriteAsync(store, lease, new KnownBlocks(), s_content);
            if (state != LeaseState.Held)
            {
                await lease.ReleaseAsync(state, default);
            }
        }

        damage?.Invoke(_objects[LeaseKey]);
        _time.Advance(TimeSpan.FromHours(1));
        return store;
    }

    private Task<bool> TryRemoveAsync(SnapshotStore store) => store.TryRemoveAbandonedAsync(Key, Request("gc"), _time.GetUtcNow() - TimeSpan.FromMinutes(30), default);

    private void AtTheLease(Func<Task> happens) => _objects.Before = async (_, key) =>
    {
        if (key.Value == LeaseKey)
        {
            _objects.Before = null;
            await happens();
        }
    };

    private async Task AssertWholeAsync(SnapshotStore store)
    {
        Assert.Contains("floe.json", _objects.Keys);
        AssertEqual(s_content, await ReadAllAsync(await OpenNewestAsync(store)));
    }
}
