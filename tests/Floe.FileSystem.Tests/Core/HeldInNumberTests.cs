using Floe.FileSystem.Content;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class HeldInNumberTests : CoreTests
{
    private const int Most = 4096;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Each takes memory, however little of the cache.</summary>
    [Fact]
    public async Task Close_AsManyAreHeldBackAsMayBeOnTheirWay_AllGoUp()
    {
        Tree.Contents.HoldBack();
        for (var i = 1; i <= Most; i++)
        {
            await ReplaceAsync($"{i}");
            Assert.Equal(i < Most ? i : 0, Tree.Contents.HeldBack);
        }

        Assert.Empty(await Tree.Contents.DrainAsync(includingOpen: false, Token));
        Assert.All(Bucket.Keys, key => Assert.Equal("new", Bucket.Text(key)));
    }

    private async Task ReplaceAsync(string key)
    {
        Bucket.Put(key, "old");
        var found = await Service.Open(Tree.Bucket).HeadAsync(key, Token);
        var content = Tree.Contents.Open(new ObjectVersion(Tree.Bucket, key, found!.ETag, found.Size), new ContentTarget(Tree.Bucket, key));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, "new"u8.ToArray(), Token);
        content.Close(canRead: false, canWrite: true);
    }
}
