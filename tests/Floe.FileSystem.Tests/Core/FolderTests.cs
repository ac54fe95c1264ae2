using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class FolderTests : CoreTests
{
    [Fact]
    public async Task MakeFolder_IsAnEmptyObjectWithASlash_AndSurvivesTheMount()
    {
        await Tree.MakeFolderAsync("d");
        Assert.Equal(["d/"], Bucket.Keys);
        await using var another = Another();
        Assert.Equal([("d", Folder)], await another.ListAsync(""));
    }

    [Fact]
    public async Task Lookup_KeyOfOthersBelowIt_IsAFolder()
    {
        Bucket.Put("d/e/f", "text");
        Assert.Equal(Folder, (await Tree.StatAsync("d/e")).Mode & Interop.S_IFMT);
        Assert.Equal("text", await Tree.ReadAsync("d/e/f"));
    }

    [Fact]
    public async Task Unlink_LastKeyOfAFolderOfOthers_LeavesTheFolder()
    {
        Bucket.Put("d/f", "text");
        await Tree.UnlinkAsync("d/f");
        Assert.Equal(["d/"], Bucket.Keys);
        PassTime();
        Assert.Equal([], await Tree.ListAsync("d"));
    }

    [Fact]
    public async Task RemoveFolder_NotEmptyInTheBucket_IsRefused()
    {
        await Tree.MakeFolderAsync("d");
        Bucket.Put("d/f", "of somebody else");
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RemoveFolderAsync("d"));
    }

    [Fact]
    public async Task RemoveFolder_NotYetUploadedFileInIt_IsRefused()
    {
        await Tree.MakeFolderAsync("d");
        var handle = await Tree.CreateAsync("d/f", Tree.WriteOnly);
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RemoveFolderAsync("d"));
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData("d//x")]
    [InlineData("d/./x")]
    [InlineData("d/../x")]
    public async Task RemoveFolder_KeysThatAreNotShownInIt_IsRefused(string key)
    {
        Bucket.Put("d/", "");
        Bucket.Put(key, "unseen");
        Assert.Equal([], await Tree.ListAsync("d"));
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RemoveFolderAsync("d"));
    }

    [Fact]
    public async Task RemoveFolder_Empty_TakesItsMarker()
    {
        await Tree.MakeFolderAsync("d");
        await Tree.RemoveFolderAsync("d");
        Assert.Empty(Bucket.Keys);
        Assert.False(await Tree.ExistsAsync("d"));
    }

    [Fact]
    public async Task RemoveFolder_File_IsNotADirectory()
    {
        Bucket.Put("f", "text");
        await FailsAsync(Errno.ENOTDIR, () => Tree.RemoveFolderAsync("f"));
        await FailsAsync(Errno.EISDIR, async () =>
        {
            await Tree.MakeFolderAsync("d");
            await Tree.UnlinkAsync("d");
        });
    }

    [Fact]
    public async Task MakeFolder_NameIsTaken_Exists()
    {
        Bucket.Put("f", "text");
        await FailsAsync(Errno.EEXIST, () => Tree.MakeFolderAsync("f"));
        await FailsAsync(Errno.ENOENT, () => Tree.MakeFolderAsync("no/d"));
        await FailsAsync(Errno.ENOTDIR, () => Tree.MakeFolderAsync("f/d"));
    }
}
