using Floe.FileSystem.Content;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

public sealed class ReadingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_535)]
    [InlineData(65_537)]
    [InlineData(30_000_001)]
    public async Task ReadAsync_InOrder_GivesTheObject(int size)
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(size), Token);
        AssertSame(Bytes(size), await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task ReadAsync_InOrder_FetchesEachByteOnceInParallelRanges()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(40_000_000), Token);
        await ReadAllAsync(content, Token);
        Assert.Equal(40_000_000, fixture.Server.BytesSent);
        Assert.InRange(fixture.Server.Calls.Count(c => c.Method == "GET"), 2, 40);
    }

    [Fact]
    public async Task ReadAsync_InOrder_AsksForLargerRangesAsItGoesOn()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(60_000_000), Token);
        await ReadAllAsync(content, Token);
        var counts = fixture.Server.Calls.Where(c => c.Method == "GET").Select(c => c.Headers["Range"]["bytes=".Length..].Split('-'))
            .Select(ends => long.Parse(ends[1]) - long.Parse(ends[0]) + 1).ToList();
        Assert.InRange(counts[0], 1, 1 << 20);
        Assert.InRange(counts.Max(), 4 << 20, 8 << 20);
        Assert.True(counts.IndexOf(counts.Max()) > 1);
    }

    [Fact]
    public async Task ReadAsync_AtRandom_FetchesBlocksOnly()
    {
        await using var fixture = await StartAsync();
        var bytes = Bytes(50_000_000);
        var content = await fixture.OpenAsync("a", bytes, Token);
        foreach (var offset in new[] { 40_000_001, 9_000_000, 25_000_000, 33_333_333 })
        {
            var piece = new byte[4096];
            Assert.Equal(4096, await content.ReadAsync(offset, piece, Token));
            AssertSame(bytes[offset..(offset + 4096)], piece);
        }

        Assert.InRange(fixture.Server.BytesSent, 4 * 4096, 4 * (320 << 10));
    }

    [Fact]
    public async Task ReadAsync_ManyReadersAtOnce_ShareOneDownload()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(20_000_000), Token);
        var all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => ReadAllAsync(content, Token), Token)));
        Assert.All(all, bytes => AssertSame(Bytes(20_000_000), bytes));
        Assert.Equal(20_000_000, fixture.Server.BytesSent);
    }

    [Fact]
    public async Task ReadAsync_ObjectReplacedMeanwhile_IsStaleAndNeverMixed()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(30_000_000), Token);
        var piece = new byte[4096];
        await content.ReadAsync(20_000_000, piece, Token);
        fixture.Server.Write("a", Bytes(30_000_000, seed: 2));
        var error = await Assert.ThrowsAsync<ContentException>(async () => await content.ReadAsync(5_000_000, piece, Token));
        Assert.Equal(ContentErrorKind.Stale, error.Kind);
    }

    [Fact]
    public async Task ReadAsync_LargerThanTheCache_EvictsAndGivesTheObject()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 12 << 20 });
        var content = await fixture.OpenAsync("a", Bytes(60_000_000), Token);
        AssertSame(Bytes(60_000_000), await ReadAllAsync(content, Token));
        Assert.InRange(content.CachedBytes, 1, 12 << 20);
        AssertSame(Bytes(60_000_000), await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task Open_SameVersionAgain_ReadsFromTheCache()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(3_000_000), Token);
        await ReadAllAsync(content, Token);
        content.Forget();
        var again = fixture.Store.Open(await fixture.VersionAsync("a", Token), Target("a"));
        AssertSame(Bytes(3_000_000), await ReadAllAsync(again, Token));
        Assert.Equal(3_000_000, fixture.Server.BytesSent);
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.Error, 0)]
    [InlineData(S3DoubleFaultKind.ResetInAnswer, 0)]
    [InlineData(S3DoubleFaultKind.ResetInAnswer, 100_001)]
    [InlineData(S3DoubleFaultKind.WrongContentRange, 0)]
    [InlineData(S3DoubleFaultKind.ShortAnswer, 100_001)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 0)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 100_001)]
    public async Task ReadAsync_FaultsThatPass_GivesTheObject(S3DoubleFaultKind kind, int afterBytes)
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(20_000_000), Token);
        fixture.Server.Faults.Add(new(kind, 6) { AfterBytes = afterBytes, Where = c => c.Method == "GET" });
        AssertSame(Bytes(20_000_000), await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task ReadAsync_ServiceRefusesForGood_FailsAndLaterReadsAgain()
    {
        await using var fixture = await StartAsync(changeS3: o => o with { MaxAttempts = 2 });
        var content = await fixture.OpenAsync("a", Bytes(1_000_000), Token);
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Where = c => c.Method == "GET" });
        var error = await Assert.ThrowsAsync<ContentException>(() => ReadAllAsync(content, Token));
        Assert.Equal(ContentErrorKind.Busy, error.Kind);
        fixture.Server.Faults.Clear();
        AssertSame(Bytes(1_000_000), await ReadAllAsync(content, Token));
    }
}
