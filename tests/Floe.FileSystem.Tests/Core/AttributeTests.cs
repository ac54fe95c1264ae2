using System.Text;
using Floe.FileSystem.Metadata;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class AttributeTests : CoreTests
{
    [Fact]
    public async Task Stat_ObjectWithoutMetadata_HasTheDefaults()
    {
        Bucket.Put("f", "text");
        var stat = await Tree.StatAsync("f");
        Assert.Equal(Interop.S_IFREG | 0x1EDu, stat.Mode);
        Assert.Equal((0u, 0u, 4UL, 1u), (stat.Uid, stat.Gid, stat.Size, stat.NLink));
    }

    [Fact]
    public async Task Create_PermissionsAndOwner_AreThereOnAnotherMount()
    {
        var (entry, opened) = await Tree.Files.CreateAsync(1, "f", 0x1A0, Tree.WriteOnly, new FuseCaller(7, 8, 1), default);
        Tree.Files.Release(opened.Handle);
        Tree.Files.Forget(entry.NodeId, 1);
        await Tree.DrainAsync();
        await using var another = Another();
        var stat = await another.StatAsync("f");
        Assert.Equal((0x1A0u, 7u, 8u), (stat.Mode & 0xFFF, stat.Uid, stat.Gid));
    }

    [Fact]
    public async Task SetAttributes_ObjectOfTheBucket_HoldsForTheMountsLifeAndWritesNothing()
    {
        Bucket.Put("f", "text");
        var time = new UnixTime(1_000_000_000, 5);
        await Tree.ChangeAsync("f", new FuseSetAttributes { Mode = 0x1C0, Uid = 5, MTime = new FuseTime(time) });
        PassTime();
        var stat = await Tree.StatAsync("f");
        Assert.Equal((0x1C0u, 5u, time), (stat.Mode & 0xFFF, stat.Uid, stat.MTime));
        Assert.DoesNotContain(Bucket.Calls, c => c.StartsWith("Put", StringComparison.Ordinal) || c.StartsWith("Copy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task List_FileThatWasNotLookedAt_HasDefaultsUntilItIs()
    {
        var metadata = PosixMetadata.Encode(Interop.S_IFREG | 0x180, 7, 8, new UnixTime(1_000_000_000, 0));
        Bucket.Put("f", "text", new ObjectHeaders { Metadata = metadata });
        var handle = Tree.Files.OpenFolder(1);
        var listed = new Tree.ListBuffer(int.MaxValue, takesEntries: true);
        await Tree.Files.ReadFolderAsync(handle, 0, listed, default);
        Tree.Files.ReleaseFolder(handle);
        var entry = listed.Entries.Single(e => e.Name == "f");
        Assert.Equal(Interop.S_IFREG | 0x1EDu, entry.Mode);
        var stat = (await Tree.Files.GetAttributesAsync(entry.Node, default)).Attributes;
        Assert.Equal((Interop.S_IFREG | 0x180u, 7u, 8u, 1_000_000_000L), (stat.Mode, stat.Uid, stat.Gid, stat.MTime.Seconds));
        Tree.Files.Forget(entry.Node, 1);
    }

    /// <summary>The kernel has let the caller by what the listing had, and asks itself anew.</summary>
    [Fact]
    public async Task Open_ListedAndOfOtherPermissions_IsStaleUntilTheKernelHasThose()
    {
        const int ESTALE = 116;
        Bucket.Put("private", "text", new ObjectHeaders { Metadata = PosixMetadata.Encode(Interop.S_IFREG | 0x180, 7, 8, null) });
        Bucket.Put("public", "text", new ObjectHeaders { Metadata = PosixMetadata.Encode(Interop.S_IFREG | 0x1ED, 0, 0, null) });
        var handle = Tree.Files.OpenFolder(1);
        var listed = new Tree.ListBuffer(int.MaxValue, takesEntries: true);
        await Tree.Files.ReadFolderAsync(handle, 0, listed, default);
        Tree.Files.ReleaseFolder(handle);
        var nodes = listed.Entries.ToDictionary(e => e.Name, e => e.Node);
        await FailsAsync(ESTALE, () => Tree.Files.SetAttributesAsync(nodes["private"], new FuseSetAttributes { Size = 0 }, Tree.Caller, default).AsTask());
        await FailsAsync(ESTALE, () => Tree.Files.OpenAsync(nodes["private"], Tree.ReadOnly, default).AsTask());
        Assert.Equal(7u, (await Tree.Files.LookupAsync(1, "private", default)).Attributes.Uid);
        Tree.Files.Release((await Tree.Files.OpenAsync(nodes["private"], Tree.ReadOnly, default)).Handle);
        Tree.Files.Release((await Tree.Files.OpenAsync(nodes["public"], Tree.ReadOnly, default)).Handle);
        Tree.Files.Forget(nodes["private"], 2);
        Tree.Files.Forget(nodes["public"], 1);
    }

    /// <summary>Who has the file by a descriptor alone is not looked up again: to others that stays stale.</summary>
    [Fact]
    public async Task SetAttributes_ListedAndOfOtherPermissions_RootNeedNotLookAgain()
    {
        const int ESTALE = 116;
        Bucket.Put("private", "text", new ObjectHeaders { Metadata = PosixMetadata.Encode(Interop.S_IFREG | 0x180, 7, 8, null) });
        var handle = Tree.Files.OpenFolder(1);
        var listed = new Tree.ListBuffer(int.MaxValue, takesEntries: true);
        await Tree.Files.ReadFolderAsync(handle, 0, listed, default);
        Tree.Files.ReleaseFolder(handle);
        var node = listed.Entries.Find(e => e.Name == "private").Node;
        var change = new FuseSetAttributes { Mode = 0x1A4 };
        await FailsAsync(ESTALE, () => Tree.Files.SetAttributesAsync(node, change, Tree.Caller with { Uid = 5 }, default).AsTask());
        var shown = (await Tree.Files.SetAttributesAsync(node, change, Tree.Caller, default)).Attributes;
        Assert.Equal((0x1A4u, 7u, 8u), (shown.Mode & 0xFFF, shown.Uid, shown.Gid));
        Tree.Files.Forget(node, 1);
    }

    [Fact]
    public async Task SetAttributes_BeforeTheUpload_IsInTheMetadata()
    {
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly);
        var time = new UnixTime(1_600_000_000, 123_456_789);
        await Tree.ChangeAsync("f", new FuseSetAttributes { Mode = 0x1ED, MTime = new FuseTime(time) });
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal("1600000000123456789ns", Bucket.Headers("f").Metadata["file-mtime"]);
        await using var another = Another();
        var stat = await another.StatAsync("f");
        Assert.Equal((0x1EDu, time), (stat.Mode & 0xFFF, stat.MTime));
    }

    [Fact]
    public async Task Read_LeavesTheAccessTime_AndThereIsAlwaysRoom()
    {
        Bucket.Put("f", "text");
        var held = await Tree.FindAsync("f");
        Time.Advance(TimeSpan.FromSeconds(100));
        await Tree.ReadAsync("f");
        Assert.Equal(held.Attributes.ATime, (await Tree.StatAsync("f")).ATime);
        var room = Operations.ObjectFileSystem.StatFileSystem();
        Assert.Equal(1UL << 60, room.AvailableBlocks * room.BlockSize);
        Tree.Files.Forget(held.NodeId, 1);
    }

    [Fact]
    public async Task SetAttributes_Size_CutsTheObject()
    {
        Bucket.Put("f", "0123456789");
        await Tree.ChangeAsync("f", new FuseSetAttributes { Size = 4 });
        Assert.Equal(4UL, (await Tree.StatAsync("f")).Size);
        await Tree.DrainAsync();
        Assert.Equal("0123", Bucket.Text("f"));
    }

    [Fact]
    public async Task Write_KillingPrivileges_TakesSetUserId()
    {
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly, 0xDED);
        await Tree.Files.WriteAsync(handle, 0, "x"u8.ToArray(), killsPrivileges: true, default);
        Assert.Equal(0x1EDu, (await Tree.StatAsync("f")).Mode & 0xFFF);
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Open_CutKillingPrivileges_TakesSetUserId(bool byCreate)
    {
        await Tree.WriteAsync("f", "x", 0xDED);
        var entry = await Tree.FindAsync("f");
        const uint Flags = Tree.WriteOnly | Interop.O_TRUNC;
        var opened = byCreate
            ? (await Tree.Files.CreateAsync(1, "f", 0x1A4, Flags, killsPrivileges: true, Tree.Caller, default)).Opened
            : await Tree.Files.OpenAsync(entry.NodeId, Flags, killsPrivileges: true, default);
        Tree.Files.Release(opened.Handle);
        Assert.Equal(0x1EDu, (await Tree.StatAsync("f")).Mode & 0xFFF);
        Tree.Files.Forget(entry.NodeId, byCreate ? 2UL : 1);
    }

    [Fact]
    public async Task MakeFolder_InASetGroupIdFolder_InheritsTheGroup()
    {
        await Tree.MakeFolderAsync("d", 0x5ED);
        await Tree.ChangeAsync("d", new FuseSetAttributes { Gid = 42 });
        await Tree.MakeFolderAsync("d/e");
        await Tree.WriteAsync("d/f", "x");
        Assert.Equal((42u, 0x5EDu), ((await Tree.StatAsync("d/e")).Gid, (await Tree.StatAsync("d/e")).Mode & 0xFFF));
        Assert.Equal(42u, (await Tree.StatAsync("d/f")).Gid);
    }

    [Fact]
    public async Task ExtendedAttributes_AreETagAndTags()
    {
        Bucket.Put("f", "text", new ObjectHeaders { Tags = [new("project", "x y")] });
        var entry = await Tree.FindAsync("f");
        Assert.Equal(["user.s3.etag", "user.s3.tag.project"], await Tree.Files.ListExtendedAttributesAsync(entry.NodeId, default));
        Assert.Equal("x y", Encoding.UTF8.GetString(await Tree.Files.GetExtendedAttributeAsync(entry.NodeId, "user.s3.tag.project", default)));
        Assert.Equal("v1", Encoding.UTF8.GetString(await Tree.Files.GetExtendedAttributeAsync(entry.NodeId, "user.s3.etag", default)));
        await FailsAsync(Errno.ENODATA, () => Tree.Files.GetExtendedAttributeAsync(entry.NodeId, "security.capability", default).AsTask());
        Tree.Files.Forget(entry.NodeId, 1);
    }

    [Theory]
    [InlineData(ObjectStoreErrorKind.AccessDenied)]
    [InlineData(ObjectStoreErrorKind.Unsupported)]
    public async Task ListExtendedAttributes_TagsCannotBeRead_IsTheETagAlone(ObjectStoreErrorKind kind)
    {
        Bucket.Put("f", "text");
        var entry = await Tree.FindAsync("f");
        Bucket.Before = (call, key) =>
        {
            if (call == "GetTags")
            {
                throw new ObjectStoreException(kind, key);
            }
        };
        Assert.Equal(["user.s3.etag"], await Tree.Files.ListExtendedAttributesAsync(entry.NodeId, default));
        Tree.Files.Forget(entry.NodeId, 1);
    }

    [Theory]
    [InlineData("file-permissions", "99")]
    [InlineData("file-permissions", "")]
    [InlineData("file-permissions", "0777777777777777777777")]
    [InlineData("file-owner", "-1")]
    [InlineData("file-owner", "4294967295")]
    [InlineData("file-mtime", "99999999999999999999999999ns")]
    public void Decode_MetadataThatMakesNoSense_IsAsIfAbsent(string name, string value) =>
        Assert.Equal(default, PosixMetadata.Decode(new Dictionary<string, string> { [name] = value }));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1_600_000_000, 999_999_999)]
    [InlineData(-1, 500_000_000)]
    public void Encode_Time_ComesBack(long seconds, uint nanos)
    {
        var time = new UnixTime(seconds, nanos);
        Assert.Equal(time, PosixMetadata.Decode(PosixMetadata.Encode(0x81A4, 1, 2, time)).MTime);
    }
}
