using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class UnlinkTests : CoreTests
{
    [Fact]
    public async Task Unlink_OpenObject_IsReadToItsEndWithoutAName()
    {
        Bucket.Put("f", "text");
        var entry = await Tree.FindAsync("f");
        var handle = (await Tree.Files.OpenAsync(entry.NodeId, Tree.ReadOnly, default)).Handle;
        await Tree.UnlinkAsync("f");
        Assert.Empty(Bucket.Keys);
        Assert.False(await Tree.ExistsAsync("f"));
        Assert.Equal("text", await Tree.ReadAsync(handle));
        Assert.Equal(0u, (await Tree.Files.GetAttributesAsync(entry.NodeId, default)).Attributes.NLink);
        Tree.Files.Release(handle);
    }

    [Fact]
    public async Task Unlink_FileThatIsBeingWritten_NeverReachesTheBucket()
    {
        var handle = await Tree.CreateAsync("f", Tree.ReadWrite);
        await Tree.Files.WriteAsync(handle, 0, "text"u8.ToArray(), killsPrivileges: false, default);
        await Tree.UnlinkAsync("f");
        await Tree.Files.WriteAsync(handle, 4, "more"u8.ToArray(), killsPrivileges: false, default);
        Assert.Equal("textmore", await Tree.ReadAsync(handle));
        await Tree.Files.SyncAsync(handle, default, default);
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Empty(Bucket.Keys);
    }

    [Fact]
    public async Task Create_AfterUnlinkOfTheSameName_IsAnotherFile()
    {
        Bucket.Put("f", "old");
        var old = await Tree.OpenAsync("f", Tree.ReadOnly);
        await Tree.UnlinkAsync("f");
        await Tree.WriteAsync("f", "new");
        await Tree.DrainAsync();
        Assert.Equal("new", Bucket.Text("f"));
        Assert.Equal("old", await Tree.ReadAsync(old));
        Tree.Files.Release(old);
    }

    [Fact]
    public async Task CreateUnnamed_IsReadAndWrittenAndGone()
    {
        var (entry, opened) = await Tree.Files.CreateUnnamedAsync(1, 0x180, Tree.ReadWrite, Tree.Caller, default);
        await Tree.Files.WriteAsync(opened.Handle, 0, "text"u8.ToArray(), killsPrivileges: false, default);
        Assert.Equal("text", await Tree.ReadAsync(opened.Handle));
        Assert.Equal(0u, entry.Attributes.NLink);
        Tree.Files.Release(opened.Handle);
        Tree.Files.Forget(entry.NodeId, 1);
        await Tree.DrainAsync();
        Assert.Empty(Bucket.Keys);
    }

    [Fact]
    public async Task Unlink_NoSuchName_IsNotFound() => await FailsAsync(Errno.ENOENT, () => Tree.UnlinkAsync("no"));
}
