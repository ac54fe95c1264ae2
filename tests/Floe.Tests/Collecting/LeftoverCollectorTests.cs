using Floe.Agent.Collecting;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Store;
using Floe.Testing.S3;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Tests.Collecting;

public sealed class LeftoverCollectorTests : IAsyncLifetime
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    // This machine's clock is a week ahead of the bucket's, which is the one that counts.
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow() - TimeSpan.FromDays(7));
    private S3Double _server = null!;
    private IBucketService _buckets = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await S3Double.StartAsync(new S3DoubleOptions { MaxPageEntries = 3, Time = _clock });
        _buckets = _server.OpenBuckets();
        foreach (var store in (string[])["runs/ab/one/.floe", "runs/cd/two/.floe", "runs/.floe"])
        {
            await using var objects = _server.Open(store);
            var snapshots = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), true, Token);
            Assert.True(TaskKey.TryParse("batch-1", out var key, out _));
            await using var lease = await snapshots.AcquireLeaseAsync(key, new LeaseRequest { HolderId = "dead", Host = "machine" }, Token);
            _server.Write($"{store}/tasks/batch-1/packs/1-1", "pack"u8.ToArray());
            _server.Write($"{store}/tasks/batch-1/trace.json", "{}"u8.ToArray());
            _server.Write($"{store}/tasks/ended/trace.json", "{}"u8.ToArray());
            _server.Write($"{store}/trace.json", "{}"u8.ToArray());
        }

        foreach (var name in (string[])["runs/ab/one/.command.run", "runs/ab/one/out", "runs/cd/two/tasks/batch-1/mine", "runs/.floe-not/tasks/batch-1/x"])
        {
            _server.Write(name, "the user's"u8.ToArray());
        }

        await _buckets.Open(S3Double.Bucket).CreateUploadAsync("runs/ab/one/big", ObjectHeaders.Empty, Token);
        await _buckets.Open(S3Double.Bucket).CreateUploadAsync("elsewhere/big", ObjectHeaders.Empty, Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _buckets.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Collect_DryRun_NamesAllAndRemovesNothing()
    {
        var before = _server.KeysBelow("");
        var found = await CollectAsync("runs", s_hour, removes: false);
        Assert.Equal(
            ["s3://floe-double/runs/.floe/tasks/batch-1", "s3://floe-double/runs/ab/one/.floe/tasks/batch-1", "s3://floe-double/runs/ab/one/big", "s3://floe-double/runs/cd/two/.floe/tasks/batch-1"],
            found.Select(f => f.What).Order(StringComparer.Ordinal));
        Assert.All(found, f => Assert.False(f.IsRemoved));
        Assert.Equal(before, _server.KeysBelow(""));
        Assert.Equal(2, _server.OpenUploadCount);
    }

    [Fact]
    public async Task Collect_Old_OnlyTheDeadMachinesThingsAreGone()
    {
        Assert.Equal(4, (await CollectAsync("runs", s_hour, removes: true)).Count);
        Assert.Equal(
            ["runs/.floe-not/tasks/batch-1/x", "runs/.floe/floe.json", "runs/.floe/tasks/ended/trace.json", "runs/.floe/trace.json",
             "runs/ab/one/.command.run", "runs/ab/one/.floe/floe.json", "runs/ab/one/.floe/tasks/ended/trace.json", "runs/ab/one/.floe/trace.json", "runs/ab/one/out",
             "runs/cd/two/.floe/floe.json", "runs/cd/two/.floe/tasks/ended/trace.json", "runs/cd/two/.floe/trace.json", "runs/cd/two/tasks/batch-1/mine"],
            _server.KeysBelow("runs/").Order(StringComparer.Ordinal));
        Assert.Equal(1, _server.OpenUploadCount);
    }

    [Fact]
    public async Task Collect_TouchedSince_StaysAndSoDoesWhatIsNoStore()
    {
        Assert.Empty(await CollectAsync("runs", TimeSpan.Zero, removes: true));
        Assert.Equal(2, _server.OpenUploadCount);
        _server.Write("plain/tasks/batch-1/file", "the user's"u8.ToArray());
        Assert.Empty(await CollectAsync("plain", s_hour, removes: true));
        Assert.NotNull(_server.Read("plain/tasks/batch-1/file"));
    }

    /// <param name="later">How long after everything was written it is looked at; half an hour counts as old.</param>
    private async Task<List<Leftover>> CollectAsync(string prefix, TimeSpan later, bool removes)
    {
        _clock.Advance(later);
        var collector = new LeftoverCollector(_buckets, url => _server.Open(url.Path), TimeProvider.System);
        var found = new List<Leftover>();
        await foreach (var item in collector.CollectAsync(StoreUrl.TryParse($"s3://{S3Double.Bucket}/{prefix}", out _)!, TimeSpan.FromMinutes(30), removes, Token))
        {
            found.Add(item);
        }

        return found;
    }
}
