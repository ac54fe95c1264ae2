using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Whether an opening finds what the kernel's page cache has of the file.</summary>
public sealed class PageCacheTests : CoreTests
{
    [Fact]
    public async Task Open_SameObjectAgain_KeepsThePages()
    {
        Bucket.Put("f", "one");
        var node = (await Tree.FindAsync("f")).NodeId;
        await OpenAndCloseAsync(node);
        Assert.True(await OpenAndCloseAsync(node));
    }

    [Fact]
    public async Task Open_ReplacedByOthers_BeginsAnew()
    {
        Bucket.Put("f", "one");
        var node = (await Tree.FindAsync("f")).NodeId;
        await OpenAndCloseAsync(node);
        Bucket.Put("f", "two");
        Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(node, (await Tree.FindAsync("f")).NodeId);
        Assert.False(await OpenAndCloseAsync(node));
        Assert.True(await OpenAndCloseAsync(node));
    }

    [Fact]
    public async Task Open_WrittenHereAndInTheBucket_KeepsThePages()
    {
        await Tree.WriteAsync("f", "one");
        var node = (await Tree.FindAsync("f")).NodeId;
        await OpenAndCloseAsync(node);
        await Tree.DrainAsync();
        Assert.True(await OpenAndCloseAsync(node));
    }

    private async Task<bool> OpenAndCloseAsync(ulong node)
    {
        var opened = await Tree.Files.OpenAsync(node, Tree.ReadOnly, default);
        Tree.Files.Release(opened.Handle);
        return opened.KeepsCache;
    }
}
