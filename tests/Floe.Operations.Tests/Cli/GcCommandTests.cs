using Floe.S3.Buckets;
using Floe.Store;
using Floe.Testing.S3;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>The verb; what counts as left over is <c>LeftoverCollectorTests</c>' matter.</summary>
public sealed class GcCommandTests : IAsyncLifetime
{
    private const string Url = $"s3://{S3Double.Bucket}/runs";

    private S3Double _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        _server = await S3Double.StartAsync(new S3DoubleOptions { Time = clock });
        await using var objects = _server.Open("runs/one/.floe");
        var snapshots = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), true, Token);
        await using (var lease = await snapshots.AcquireLeaseAsync(TaskKey.Parse("batch-1"), new LeaseRequest { HolderId = "agent", Host = "machine" }, Token))
        {
            _server.Write("runs/one/.floe/tasks/batch-1/packs/1-1", "pack"u8.ToArray());
            await lease.ReleaseAsync(LeaseState.HandedOver, Token);
        }

        await using var buckets = _server.OpenBuckets();
        await buckets.Open(S3Double.Bucket).CreateUploadAsync("runs/one/big", ObjectHeaders.Empty, Token);

        // A service tells its time in whole seconds.
        clock.Advance(TimeSpan.FromSeconds(2));
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Gc_DryRun_NamesWhatIsOlderAndRemovesNothing()
    {
        var said = await RunAsync("gc", Url, "--older-than", "0s", "--dry-run", "--json");
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Equal(
            [("task", $"{Url}/one/.floe/tasks/batch-1", false), ("upload", $"{Url}/one/big", false)],
            said.Json.EnumerateArray().Select(row => (row.GetProperty("kind").GetString()!, row.GetProperty("what").GetString()!, row.GetProperty("isRemoved").GetBoolean())).Order());
        Assert.Equal(1, _server.OpenUploadCount);
        Assert.NotNull(_server.Read("runs/one/.floe/tasks/batch-1/packs/1-1"));
    }

    [Fact]
    public async Task Gc_OlderThanTheDefault_OnlyWhatIsOldGoes()
    {
        var young = await RunAsync("gc", Url);
        Assert.Equal((0, $"nothing to remove under {Url}\n", ""), (young.Status, young.Out, young.Error));
        Assert.Equal(1, _server.OpenUploadCount);

        var said = await RunAsync("gc", Url, "--older-than", "0s");
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Equal(3, said.Out.TrimEnd().Split('\n').Length);
        Assert.All(said.Out.TrimEnd().Split('\n')[1..], line => Assert.EndsWith(" removed", line, StringComparison.Ordinal));
        Assert.Equal(0, _server.OpenUploadCount);
        Assert.Null(_server.Read("runs/one/.floe/tasks/batch-1/packs/1-1"));
    }

    [Fact]
    public async Task Gc_OneThingCannotBeRemoved_IsToldAndTheOthersGo()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "DELETE" && c.Key == "runs/one/big" });
        var said = await RunAsync("gc", Url, "--older-than", "0s");
        Assert.Equal(174, said.Status);
        var rows = said.Out.TrimEnd().Split('\n')[1..];
        Assert.DoesNotContain("removed", Assert.Single(rows, row => row.StartsWith("upload", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.EndsWith(" removed", Assert.Single(rows, row => row.StartsWith("task", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("1 of 2 could not be removed", Assert.Single(said.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
        Assert.Null(_server.Read("runs/one/.floe/tasks/batch-1/packs/1-1"));
    }

    [Fact]
    public async Task Gc_BucketFailsInTheMiddle_WhatIsRemovedIsNamed()
    {
        _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 503, Code = "ServiceUnavailable", Where = c => c.Method == "PUT" });
        var said = await RunAsync("gc", Url, "--older-than", "0s");
        Assert.Equal(174, said.Status);
        Assert.EndsWith(" removed", Assert.Single(said.Out.TrimEnd().Split('\n')[1..]), StringComparison.Ordinal);
        Assert.Equal(0, _server.OpenUploadCount);
    }

    [Theory]
    [InlineData(2, "unfinished uploads are in buckets only", "file:///tmp/store")]
    [InlineData(2, "ftp://x", "ftp://x")]
    [InlineData(2, "--older-than takes a number with s, m, h or d behind it, like 7d; not 'soon'", Url, "--older-than", "soon")]
    [InlineData(2, "no bucket has what is as old as '1000000d'", Url, "--older-than", "1000000d")]
    [InlineData(2, "no bucket has what is as old as '2000000000d'", Url, "--older-than", "2000000000d")]
    [InlineData(174, "no-such-bucket", "s3://no-such-bucket/runs")]
    public async Task Gc_CannotBeDone_IsOneLineAndItsStatus(int status, string named, params string[] words)
    {
        var said = await RunAsync(["gc", .. words]);
        Assert.Equal((status, ""), (said.Status, said.Out));
        Assert.Contains(named, Assert.Single(said.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    private Task<Said> RunAsync(params string[] words) => FloeProgram.RunAsync(words,
    [
        ("AWS_ACCESS_KEY_ID", _server.Keys.AccessKeyId), ("AWS_SECRET_ACCESS_KEY", _server.Keys.SecretAccessKey), ("AWS_REGION", "us-east-1"),
        ("FLOE_S3_ENDPOINT", _server.Endpoint.ToString().TrimEnd('/')), ("FLOE_S3_MAX_ATTEMPTS", "1"),
    ]);
}
