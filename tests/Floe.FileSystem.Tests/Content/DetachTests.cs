using Floe.FileSystem.Content;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Files that lose their object while they are open.</summary>
public sealed class DetachTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DetachAsync_ObjectLargerThanTheCache_IsNoSpaceAndChangesNothing()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var bytes = Bytes(64 << 20);
        var content = await fixture.OpenAsync("a", bytes, Token);
        content.Open(canRead: true, canWrite: false);
        var error = await Assert.ThrowsAsync<ContentException>(() => DetachAsync(content));
        Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
        Assert.Equal(Target("a"), content.Target);
        AssertSame(bytes, await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task DetachAsync_ObjectThatTheCacheHolds_DropsOthersBytesAndReadsOn()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var other = await fixture.OpenAsync("b", Bytes(20 << 20, seed: 2), Token);
        await ReadAllAsync(other, Token);
        var content = await fixture.OpenAsync("a", Bytes(20 << 20), Token);
        content.Open(canRead: true, canWrite: false);
        await DetachAsync(content);
        Assert.Null(content.Target);
        fixture.Server.Write("a", []);
        AssertSame(Bytes(20 << 20), await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task DetachAsync_ManyParts_AsksForNoMoreAtOnceThanAreDownloaded()
    {
        await using var fixture = await StartAsync(o => o with { MaxDownloads = 2 });
        var content = await fixture.OpenAsync("a", Bytes(80 << 20), Token);
        var most = 0L;
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue)
        {
            Where = c =>
            {
                most = Math.Max(most, fixture.Store.Space.UsedBytes - content.CachedBytes);
                return false;
            },
        });
        content.Open(canRead: true, canWrite: false);
        await DetachAsync(content);
        Assert.InRange(most, 1, 16 << 20);
        Assert.Equal(80 << 20, content.CachedBytes);
    }

    private static async Task DetachAsync(FileContent content)
    {
        using var detachment = await content.PrepareDetachAsync(isOpen: true, Token);
        await detachment.CompleteAsync();
    }
}
