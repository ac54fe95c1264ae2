using Floe.FileSystem.Metadata;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A mount for a user whose task must not change one name of every folder: that of the snapshots, which root restores.</summary>
public sealed class RootOnlyNameTests : CoreTests
{
    protected override FileSystemOptions Options => base.Options with { Uid = 1000, Gid = 1001, RootOnlyName = ".floe" };

    [Theory]
    [InlineData(".floe/f")]
    [InlineData("work/.floe/tasks/f")]
    public async Task Stat_BelowTheName_IsRootsAndWritableByNobodyElse(string path)
    {
        Bucket.Put(path, "text", new ObjectHeaders { Metadata = PosixMetadata.Encode(Interop.S_IFREG | 0x1B6, 1000, 1001, null) });
        var stat = await Tree.StatAsync(path);
        Assert.Equal((0u, 0u, 0x1A4u), (stat.Uid, stat.Gid, stat.Mode & 0xFFF));
        var folder = await Tree.StatAsync(path[..path.LastIndexOf('/')]);
        Assert.Equal((0u, 0u, 0x1EDu), (folder.Uid, folder.Gid, folder.Mode & 0xFFF));
    }

    [Theory]
    [InlineData("f")]
    [InlineData("floe/f")]
    [InlineData("x.floe/f")]
    public async Task Stat_Elsewhere_IsTheUsers(string path)
    {
        Bucket.Put(path, "text");
        var stat = await Tree.StatAsync(path);
        Assert.Equal((1000u, 1001u), (stat.Uid, stat.Gid));
    }
}
