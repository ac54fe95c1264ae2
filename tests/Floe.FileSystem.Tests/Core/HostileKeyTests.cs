using Floe.Fuse;
using Floe.FileSystem.Names;
using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Keys that POSIX cannot show.</summary>
public sealed class HostileKeyTests : CoreTests
{
    [Theory]
    [InlineData("/x")]
    [InlineData("//x")]
    [InlineData("./x")]
    [InlineData("../x")]
    [InlineData("..")]
    [InlineData(".")]
    public async Task List_KeyWithoutAName_IsNotShown(string key)
    {
        Bucket.Put(key, "unseen");
        Bucket.Put("seen", "text");
        Assert.Equal([("seen", File)], await Tree.ListAsync(""));
        Assert.Equal([("seen", File)], await Tree.ListAsync("", takesEntries: true));
    }

    [Theory]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData(".fusion.symlinks")]
    public async Task Lookup_WhatIsNoName_FindsNothing(string name)
    {
        Bucket.Put("../x", "outside");
        Bucket.Put(".fusion.symlinks", "l\n");
        Assert.Equal(0UL, (await Tree.Files.LookupAsync(1, name, default)).NodeId);
    }

    [Fact]
    public async Task List_KeyThatIsFileAndFolder_ShowsTheFolder()
    {
        Bucket.Put("a", "hidden by the folder");
        Bucket.Put("a/b", "text");
        Bucket.Put("a-", "between the two");
        Assert.Equal([("a-", File), ("a", Folder)], await Tree.ListAsync(""));
        Assert.Equal(Folder, (await Tree.StatAsync("a")).Mode & Interop.S_IFMT);
        await Tree.UnlinkAsync("a/b");
        await Tree.RemoveFolderAsync("a");
        PassTime();
        Assert.Equal("hidden by the folder", await Tree.ReadAsync("a"));
    }

    [Fact]
    public async Task List_NameOver255Bytes_IsNotShown()
    {
        Bucket.Put(new string('x', 256), "unseen");
        Bucket.Put(new string('y', 255), "seen");
        Assert.Equal([(new string('y', 255), File)], await Tree.ListAsync(""));
    }

    [Theory]
    [InlineData("d/a\tb")]
    [InlineData("d/a\nb")]
    public async Task List_ControlCharacters_IsNotShownAndItsFolderStays(string key)
    {
        Bucket.Put("d/", "");
        Bucket.Put(key, "unseen");
        Assert.Equal([], await Tree.ListAsync("d"));
        Assert.Equal([], await Tree.ListAsync("d", takesEntries: true));
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RemoveFolderAsync("d"));
        await FailsAsync(Errno.EINVAL, () => Tree.RenameAsync("d", "e"));
        Assert.Equal(["d/", key], Bucket.Keys);
    }

    [Fact]
    public async Task Create_KeyOver1024Bytes_IsTooLong()
    {
        var folder = string.Join('/', Enumerable.Repeat(new string('d', 200), 5));
        Bucket.Put(folder + "/f", "text");
        await FailsAsync(Errno.ENAMETOOLONG, () => Tree.WriteAsync($"{folder}/{new string('f', 100)}", "text"));
        await FailsAsync(Errno.ENAMETOOLONG, () => Tree.MakeFolderAsync(new string('f', 256)));
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0x61 }, 84)]
    [InlineData(new byte[] { 0x61, 0x01 }, Errno.EINVAL)]
    [InlineData(new byte[] { 0x61, (byte)'\t' }, Errno.EINVAL)]
    [InlineData(new byte[] { 0x61, (byte)'\n', 0x62 }, Errno.EINVAL)]
    public void FromBytes_WhatNoKeyCanHold_IsRefused(byte[] name, int errno) =>
        Assert.Equal(errno, Assert.Throws<FuseException>(() => NameRules.FromBytes(name)).Errno);
}
