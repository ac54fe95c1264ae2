using Floe.FileSystem.Metadata;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Tags by rules: on everything that a mount writes, and on nothing that they do not name.</summary>
public sealed class TagTests : CoreTests
{
    protected override FileSystemOptions Options =>
        base.Options with { Tags = TagRules.TryParse("[.fusion.*](kind=metadata),[l*|d*](kind=data)", out _)! };

    [Fact]
    public async Task MakeFolderAndLink_MarkerLinkAndList_HaveTheirTags()
    {
        await Tree.MakeFolderAsync("d");
        await Tree.LinkAsync("d/l", "target");
        await Tree.DrainAsync();
        Assert.Equal("metadata", Kind("d/" + LinkList.Name));
        Assert.Equal("data", Kind("d/l"));
        Assert.Equal("data", Kind("d/"));
    }

    [Fact]
    public async Task Unlink_LastKeyOfAFolderOfOthers_TheMarkerHasItsTags()
    {
        Bucket.Put("d2/f", "text");
        await Tree.UnlinkAsync("d2/f");
        Assert.Equal("data", Kind("d2/"));
    }

    [Fact]
    public async Task RenameFolder_WithoutAMarker_TheNewOneHasItsTags()
    {
        Bucket.Put("e/f", "text");
        await Tree.RenameAsync("e", "d3");
        Assert.Equal("data", Kind("d3/"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Rename_ChangedAttributesAndNoRule_KeepsTheObjectsOwnTags(bool copiesAsAws)
    {
        Bucket.CopiesAsAws = copiesAsAws;
        Bucket.Put("a", "text", new ObjectHeaders { Tags = [new("theirs", "kept")] });
        await Tree.ChangeAsync("a", new FuseSetAttributes { Mode = 0x1C0 });
        await Tree.RenameAsync("a", "b");
        Assert.Equal("kept", Bucket.Headers("b").Tags.Single().Value);
        Assert.Equal("0100700", Bucket.Headers("b").Metadata["file-permissions"]);
    }

    [Theory]
    [InlineData(5 << 20)]
    [InlineData(1)]
    public async Task Rename_ChangedAttributesOrInParts_KeepsTheObjectsTypeAndTheLike(int maxSingleCopyBytes)
    {
        await using var tree = new Tree(Service, Options with { MaxSingleCopyBytes = maxSingleCopyBytes, CopyPartBytes = 8 });
        Bucket.MaxUnrangedCopySource = 0;
        var standard = new Dictionary<string, string> { ["Content-Type"] = "text/html", ["Cache-Control"] = "no-cache" };
        Bucket.Put("a", "text", new ObjectHeaders { Standard = standard });
        await tree.ChangeAsync("a", new FuseSetAttributes { Mode = 0x1C0 });
        await tree.RenameAsync("a", "b");
        Assert.Equal(standard, Bucket.Headers("b").Standard);
    }

    private string Kind(string key) => Bucket.Headers(key).Tags.Single(t => t.Key == "kind").Value;
}
