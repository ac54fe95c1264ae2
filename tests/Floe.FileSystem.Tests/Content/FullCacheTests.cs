using Floe.FileSystem.Content;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A cache that is full of what must go up before it can be dropped: nobody is refused who can be served, nobody waits for ever.</summary>
public sealed class FullCacheTests
{
    private const int Block = BlockMap.BlockBytes;
    private const int Part = (int)PartGrid.MinPartBytes;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ReadAsync_ObjectEndsWithinABlockAndTheFileGoesOn_GivesZerosBehindIt()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        var content = await fixture.OpenAsync("a", Bytes(100_000), Token);
        content.Open(canRead: true, canWrite: true);
        await content.TruncateAsync(300_000, Token);
        await FillAsync(fixture, "other", 1 << 20);
        var read = Bytes(300_000, seed: 3);
        Assert.Equal(300_000, await Task.Run(async () => await content.ReadAsync(0, read, Token), Token).WaitAsync(s_limit, Token));
        AssertSame([.. Bytes(100_000), .. new byte[200_000]], read);
    }

    private static async Task<FileContent> FillAsync(ContentFixture fixture, string key, int bytes)
    {
        var content = fixture.Store.Create(Target(key));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(bytes, seed: 2), Token);
        return content;
    }
}
