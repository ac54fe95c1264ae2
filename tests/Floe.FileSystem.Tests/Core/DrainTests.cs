using Floe.FileSystem.Names;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>The end of a mount brings to the bucket what can be brought, whatever else fails.</summary>
public sealed class DrainTests : CoreTests
{
    [Fact]
    public async Task Drain_ListOfLinksFailsAsNobodyForesaw_FilesAreInTheBucket()
    {
        Bucket.Before = (_, key) =>
        {
            if (key.EndsWith(LinkList.Name, StringComparison.Ordinal))
            {
                throw new InvalidOperationException("nobody foresaw this");
            }
        };
        await Tree.MakeFolderAsync("work");
        await Tree.LinkAsync("work/l", "target");
        var open = await Tree.CreateAsync("work/f", Core.Tree.WriteOnly);
        await Tree.Files.WriteAsync(open, 0, "text"u8.ToArray(), killsPrivileges: false, default);
        Assert.Empty(await Tree.Files.DrainAsync(includingOpen: true, default));
        Assert.Equal("text", Bucket.Text("work/f"));
        await Tree.Files.CaptureAsync(taskRunsOn: true, default);
        Tree.Files.Resume();

        // The next link has its list written again.
        Bucket.Before = null;
        await Tree.LinkAsync("work/m", "target");
        await Tree.DrainAsync();
        Assert.Equal("m\n", Bucket.Text("work/" + LinkList.Name));
    }
}
