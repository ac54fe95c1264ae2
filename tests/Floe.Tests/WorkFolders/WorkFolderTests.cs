using System.Text;
using Floe.Agent.WorkFolders;
using Floe.FileSystem;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.WorkFolders;

public sealed class WorkFolderTests : IAsyncLifetime
{
    private const string Prefix = "scratch/ab/cdef/";

    private S3Double _server = null!;
    private IBucketService _buckets = null!;
    private IBucketClient _bucket = null!;
    private WorkFolder _work = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        // Two keys a page: every listing is of several.
        _server = await S3Double.StartAsync(new S3DoubleOptions { MaxPageEntries = 2 });
        _buckets = _server.OpenBuckets();
        _bucket = _buckets.Open(S3Double.Bucket);
        _work = new WorkFolder(_bucket, new BucketFolder(S3Double.Bucket, Prefix), NullLogger.Instance);
        foreach (var name in (string[])[".command.run", ".command.sh", "given/input", ".floe/floe.json", ".floe/tasks/t/lease.json"])
        {
            Write(name);
        }

        _server.Write("scratch/ab/cdef2/other", "another task's"u8.ToArray());
    }

    public async ValueTask DisposeAsync()
    {
        await _buckets.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task List_WithFloesOwn_LeavesItOut()
    {
        var listing = WorkListing.Parse((await _work.ListAsync(Token)).ToBytes());
        Assert.Equal([".command.run", ".command.sh", "given/input"], listing.Objects.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Clean_AfterAnAttempt_OnlyWhatItWroteIsGone()
    {
        var start = await _work.ListAsync(Token);
        var before = _server.KeysBelow("scratch/");
        foreach (var name in (string[])[".command.log", "out/a", "out/b", ".command.out"])
        {
            Write(name);
        }

        await _bucket.CreateUploadAsync(Prefix + "big", ObjectHeaders.Empty, Token);
        await _work.CleanAsync(start, Token);
        Assert.Equal(before, _server.KeysBelow("scratch/"));
        Assert.Equal(0, _server.OpenUploadCount);
    }

    [Fact]
    public async Task Revert_WrittenSince_OnlyThatIsGone()
    {
        Write("early");
        var snapshot = await _work.ListAsync(Token);
        Write("late");
        Write("carried");
        await _bucket.CreateUploadAsync(Prefix + "lost", ObjectHeaders.Empty, Token);
        await _bucket.CreateUploadAsync(Prefix + "carried", ObjectHeaders.Empty, Token);
        await _work.RevertAsync(snapshot, new HashSet<string> { Prefix + "carried" }, Token);
        Assert.Equal([".command.run", ".command.sh", "carried", "early", "given/input"], Names());
        Assert.Equal(1, _server.OpenUploadCount);
    }

    [Theory]
    [InlineData(true, "was written again")]
    [InlineData(false, "was removed")]
    public async Task Revert_SnapshotRestsOnWhatIsNoMore_RefusedAndNothingRemoved(bool isChanged, string why)
    {
        Write("early");
        var snapshot = await _work.ListAsync(Token);
        Write("late");
        if (isChanged)
        {
            _server.Write(Prefix + "early", "something longer"u8.ToArray());
        }
        else
        {
            await _bucket.DeleteAsync([Prefix + "early"], Token);
        }

        var error = await Assert.ThrowsAsync<WorkFolderException>(() => _work.RevertAsync(snapshot, new HashSet<string>(), Token));
        Assert.Contains($"early {why}", error.Message, StringComparison.Ordinal);
        Assert.Contains("late", Names());
        // What the file system's own state speaks for is its business.
        await _work.RevertAsync(snapshot, new HashSet<string> { Prefix + "early" }, Token);
        Assert.DoesNotContain("late", Names());
    }

    [Fact]
    public async Task Revert_ListOfLinksHasGrown_IsNoObstacle()
    {
        _server.Write(Prefix + ".fusion.symlinks", "a"u8.ToArray());
        _server.Write(Prefix + "given/.fusion.symlinks", "b"u8.ToArray());
        var snapshot = await _work.ListAsync(Token);
        _server.Write(Prefix + ".fusion.symlinks", "a\nb"u8.ToArray());
        await _bucket.DeleteAsync([Prefix + "given/.fusion.symlinks"], Token);
        await _work.RevertAsync(snapshot, new HashSet<string>(), Token);
        Assert.Contains(".fusion.symlinks", Names());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"version\":2,\"objects\":{}}")]
    [InlineData("{\"version\":1,\"objects\":[1]}")]
    [InlineData("null")]
    public void Parse_NoListing_OneLineSaysSo(string text) =>
        Assert.Throws<WorkFolderException>(() => WorkListing.Parse(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Parse_NoObjects_IsAnEmptyFolder() => Assert.Empty(WorkListing.Parse("{\"version\":1}"u8).Objects);

    private void Write(string name) => _server.Write(Prefix + name, Encoding.UTF8.GetBytes(name));

    private string[] Names() => [.. _server.KeysBelow(Prefix).Select(k => k[Prefix.Length..]).Where(k => !k.StartsWith(".floe/", StringComparison.Ordinal))];
}
