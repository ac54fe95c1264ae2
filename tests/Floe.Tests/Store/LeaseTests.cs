using Floe.S3;
using Floe.Store;
using Floe.Testing.S3;
using Floe.Testing.Time;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

public sealed class LeaseTests : IAsyncDisposable
{
    private static readonly Dictionary<string, byte[]> s_content = new() { ["s"] = RandomBytes(1, 50_000) };
    private readonly FakeTimeProvider _time = new();
    private readonly MemoryObjectStore _objects;

    public LeaseTests() => _objects = new MemoryObjectStore(_time);

    public ValueTask DisposeAsync() => _objects.DisposeAsync();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RequireConditionsAsync_Service_IsTakenOnlyIfItRefusesWritesWhoseConditionDoesNotHold(bool honorsThem)
    {
        await using var server = await S3Double.StartAsync(new() { HonorsConditions = honorsThem });
        await using var objects = server.Open();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var written = server.Read($"tasks/{Key}/lease.json");
        if (honorsThem)
        {
            await lease.RequireConditionsAsync(default);
        }
        else
        {
            var refused = await Assert.ThrowsAsync<ObjectStoreException>(() => lease.RequireConditionsAsync(default));
            Assert.Equal(ObjectStoreErrorKind.Unsupported, refused.Kind);
            Assert.Contains("two machines could run one task", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(written, server.Read($"tasks/{Key}/lease.json"));
        await lease.RenewAsync(default);
    }

    [Fact]
    public async Task AcquireLeaseAsync_HeldByAnother_RefusesAndNamesHolder()
    {
        var store = await OpenAsync(_objects, _time);
        await using var held = await store.AcquireLeaseAsync(Key, Request("one"), default);
        var refused = await Assert.ThrowsAsync<LeaseRefusedException>(() => store.AcquireLeaseAsync(Key, Request("two"), default));
        Assert.Contains("one on host-of-one", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>The outputs of a task that has ended are another machine's affair in one of the cases only.</summary>
    [Fact]
    public async Task RenewAsync_TaskWasRemovedFromTheStore_IsLostToNobody()
    {
        var store = await OpenAsync(_objects, _time);
        await using var held = await store.AcquireLeaseAsync(Key, Request("one"), default);
        await _objects.DeleteAsync([new ObjectKey($"tasks/{Key}/lease.json")], default);
        await Assert.ThrowsAsync<LeaseLostException>(() => held.RenewAsync(default));
        Assert.True(held.Lost.IsCancellationRequested);
        Assert.False(held.TakenOver.IsCancellationRequested);
    }

    [Fact]
    public async Task AcquireLeaseAsync_Released_IsTakenAtOnceWithNextGeneration()
    {
        var store = await OpenAsync(_objects, _time);
        var held = await store.AcquireLeaseAsync(Key, Request("one"), default);
        await held.ReleaseAsync(LeaseState.HandedOver, default);
        await using var next = await store.AcquireLeaseAsync(Key, Request("two"), default);
        Assert.Equal(held.Generation + 1, next.Generation);
        Assert.Equal(LeaseState.HandedOver, next.TakenFrom!.State);
    }

    [Fact]
    public async Task AcquireLeaseAsync_HolderDead_TakesOverAfterWatchingForTtl()
    {
        var store = await OpenAsync(_objects, _time);
        var dead = await store.AcquireLeaseAsync(Key, Request("one"), default);
        await dead.DisposeAsync();

        var taking = store.AcquireLeaseAsync(Key, Request("two") with { WaitUpTo = TimeSpan.FromMinutes(5) }, default);
        var waited = TimeSpan.Zero;
        while (!taking.IsCompleted)
        {
            await _time.WhenTimerStartsAsync(TimeSpan.FromSeconds(2)).WaitAsync(TimeSpan.FromSeconds(20));
            _time.Advance(TimeSpan.FromSeconds(2));
            waited += TimeSpan.FromSeconds(2);
            if (waited >= TimeSpan.FromSeconds(60))
            {
                break;
            }
        }

        await using var lease = await taking.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(TimeSpan.FromSeconds(60), waited);
        await Assert.ThrowsAsync<LeaseLostException>(() => dead.RenewAsync(default));
        Assert.True(dead.TakenOver.IsCancellationRequested);
        Assert.True(dead.Lost.IsCancellationRequested);
        Assert.Equal(LeaseStanding.Lost, dead.Standing);
    }

    [Fact]
    public async Task AcquireLeaseAsync_StoreClockShowsOldLease_TakesOverAtOnce()
    {
        var objects = new MemoryObjectStore(_time) { HasClock = true };
        var store = await OpenAsync(objects, _time);
        var dead = await store.AcquireLeaseAsync(Key, Request("one"), default);
        await dead.DisposeAsync();
        _time.Advance(TimeSpan.FromSeconds(63));
        await using var lease = await store.AcquireLeaseAsync(Key, Request("two"), default);
        Assert.Equal(2, lease.Generation);
    }

    [Theory]
    [InlineData("job", 2, true)]
    [InlineData("job", 1, false)]
    [InlineData("other", 2, false)]
    public async Task AcquireLeaseAsync_SameJobLaterAttempt_TakesOverAtOnce(string job, int attempt, bool taken)
    {
        var store = await OpenAsync(_objects, _time);
        await using var first = await store.AcquireLeaseAsync(Key, Request("one") with { Job = new JobAttempt("job", 1) }, default);
        var request = Request("two") with { Job = new JobAttempt(job, attempt), TakeOverFromEarlierAttempt = true };
        if (taken)
        {
            await using var second = await store.AcquireLeaseAsync(Key, request, default);
            Assert.Equal(2, second.Generation);
        }
        else
        {
            await Assert.ThrowsAsync<LeaseRefusedException>(() => store.AcquireLeaseAsync(Key, request, default));
        }
    }

    [Fact]
    public async Task Renewal_StoreAwayForTtl_BecomesUnconfirmedAndRecovers()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await _time.WhenTimerStartsAsync(TimeSpan.FromSeconds(20)).WaitAsync(TimeSpan.FromSeconds(20));
        _objects.DiesAt = 1;
        _time.Advance(TimeSpan.FromSeconds(20));
        for (var i = 0; i < 7; i++)
        {
            await _time.WhenTimerStartsAsync(TimeSpan.FromSeconds(6)).WaitAsync(TimeSpan.FromSeconds(20));
            _time.Advance(TimeSpan.FromSeconds(6));
        }

        Assert.Equal(LeaseStanding.Unconfirmed, await lease.WaitForChangeAsync(LeaseStanding.Held, default).WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.False(lease.Lost.IsCancellationRequested);
        _objects.DiesAt = 0;
        await _time.WhenTimerStartsAsync(TimeSpan.FromSeconds(6)).WaitAsync(TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(LeaseStanding.Held, await lease.WaitForChangeAsync(LeaseStanding.Unconfirmed, default).WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task RenewAsync_AnswerOfRenewalLost_LeaseStaysOurs()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        _objects.FailsAfterEffect = true;
        _objects.FailsAt = _objects.Operations + 1;
        await Assert.ThrowsAsync<Floe.S3.ObjectStoreException>(() => lease.RenewAsync(default));
        await lease.RenewAsync(default);
        Assert.Equal(LeaseStanding.Held, lease.Standing);
    }

    [Fact]
    public async Task CommitAsync_LeaseTakenOver_ThrowsAndNothingIsListed()
    {
        var store = await OpenAsync(_objects, _time);
        await using var old = await store.AcquireLeaseAsync(Key, Request("one") with { Job = new JobAttempt("job", 1) }, default);
        await using var taken = await store.AcquireLeaseAsync(Key, Request("two") with { Job = new JobAttempt("job", 2), TakeOverFromEarlierAttempt = true }, default);
        await Assert.ThrowsAsync<LeaseLostException>(() => WriteAsync(store, old, new KnownBlocks(), s_content));
        Assert.Empty(await store.ListSnapshotsAsync(Key, default));
    }

    [Fact]
    public async Task CommitAsync_PausedBetweenLeaseCheckAndManifest_IsFencedOff()
    {
        var store = await OpenAsync(_objects, _time);
        await using var old = await store.AcquireLeaseAsync(Key, Request("one") with { Job = new JobAttempt("job", 1) }, default);
        var atManifest = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        _objects.Before = async (operation, key) =>
        {
            if (operation == "PUT" && key.Value.EndsWith("00000002.json", StringComparison.Ordinal) && atManifest.TrySetResult())
            {
                await goOn.Task;
            }
        };
        var late = WriteAsync(store, old, new KnownBlocks(), s_content);
        await atManifest.Task.WaitAsync(TimeSpan.FromSeconds(20));

        await using var next = await store.AcquireLeaseAsync(Key, Request("two") with { Job = new JobAttempt("job", 2), TakeOverFromEarlierAttempt = true }, default);
        goOn.SetResult();

        await Assert.ThrowsAsync<LeaseLostException>(() => late);
        Assert.Empty(await store.ListSnapshotsAsync(Key, default));
        var manifest = await WriteAsync(store, next, new KnownBlocks(), s_content);
        Assert.Equal(2, manifest.Generation);
    }

    /// <summary>The lease says whose the task is, and not what nobody can read.</summary>
    [Fact]
    public async Task CommitAsync_WhatIsInTheSlotCannotBeRead_TakesTheNext()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var slot = lease.NextSeq;
        _objects[$"tasks/{Key}/snapshots/{slot:D8}.json"] = [1, 2, 3];
        var manifest = await WriteAsync(store, lease, new KnownBlocks(), s_content);
        Assert.Equal(slot + 1, manifest.Seq);
        Assert.Equal(slot + 2, lease.NextSeq);
    }

    [Fact]
    public async Task CommitAsync_StoreRefusesAnEmptySlotOnce_TakesItTheNextTime()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var slot = lease.NextSeq;
        var refused = false;
        var indexes = 0;
        _objects.Before = (operation, key) =>
        {
            indexes += operation == "PUT" && StoreLayout.TryParseIndex(Key, key) is not null ? 1 : 0;
            if (operation == "PUT" && key.Value.EndsWith($"{slot:D8}.json", StringComparison.Ordinal) && !refused)
            {
                refused = true;
                throw new ObjectStoreException(ObjectStoreErrorKind.PreconditionFailed, "injected");
            }

            return Task.CompletedTask;
        };
        var writing = WriteAsync(store, lease, new KnownBlocks(), s_content);
        await _time.WhenTimerStartsAsync(TimeSpan.FromMilliseconds(50)).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        _time.Advance(TimeSpan.FromMilliseconds(50));
        Assert.Equal(slot, (await writing).Seq);
        Assert.Equal((true, 1), (refused, indexes));
    }

    [Fact]
    public async Task DeleteTaskAsync_LiveHolder_IsRefusedUnlessForced()
    {
        var store = await OpenAsync(_objects, _time);
        await using var lease = await store.AcquireLeaseAsync(Key, Request("one"), default);
        await WriteAsync(store, lease, new KnownBlocks(), s_content);
        await Assert.ThrowsAsync<LeaseRefusedException>(() => store.DeleteTaskAsync(Key, Request("two"), force: false, default));
        await store.DeleteTaskAsync(Key, Request("two"), force: true, default);
        Assert.Equal(["floe.json"], _objects.Keys);
        await Assert.ThrowsAsync<LeaseLostException>(() => WriteAsync(store, lease, new KnownBlocks(), s_content));
    }

    [Fact]
    public async Task ListSnapshotsAsync_LateManifestOfRemovedHistory_IsIgnoredAndPruned()
    {
        var store = await OpenAsync(_objects, _time);
        string lateKey;
        byte[] late;
        await using (var old = await store.AcquireLeaseAsync(Key, Request("one"), default))
        {
            var manifest = await WriteAsync(store, old, new KnownBlocks(), s_content);
            lateKey = $"tasks/{Key}/snapshots/{manifest.Seq:D8}.json";
            late = _objects[lateKey];
            await store.DeleteTaskAsync(old, default);
        }

        await using var lease = await store.AcquireLeaseAsync(Key, Request("two"), default);
        var known = new KnownBlocks();
        _objects[lateKey] = late;
        Assert.Empty(await store.ListSnapshotsAsync(Key, default));
        await WriteAsync(store, lease, known, s_content);
        await store.PruneAsync(lease, known, 2, default);
        Assert.DoesNotContain(await store.ListSnapshotsAsync(Key, default), l => l.Manifest?.Incarnation != lease.Incarnation);
    }
}
