using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class RenameTests : CoreTests
{
    protected override FileSystemOptions Options => base.Options with { Tags = Metadata.TagRules.TryParse("[*.log](kind=log),[*](kind=data)", out _)! };

    [Fact]
    public async Task Rename_ObjectOfTheBucket_IsCopiedWithItsMetadata()
    {
        Bucket.Put("a", "text", new ObjectHeaders { Metadata = new Dictionary<string, string> { ["theirs"] = "kept" } });
        await Tree.RenameAsync("a", "b");
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("kept", Bucket.Headers("b").Metadata["theirs"]);
        Assert.DoesNotContain("Get a", Bucket.Calls);
        Assert.Equal("text", await Tree.ReadAsync("b"));
    }

    [Fact]
    public async Task Rename_FileThatIsBeingWritten_GoesUpUnderItsNewName()
    {
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, "one"u8.ToArray(), killsPrivileges: false, default);
        await Tree.RenameAsync("a", "b");
        await Tree.Files.WriteAsync(handle, 3, "two"u8.ToArray(), killsPrivileges: false, default);
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("onetwo", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_OverAFileThatIsOpen_LeavesItToItsReaders()
    {
        Bucket.Put("a", "new");
        Bucket.Put("b", "old");
        var handle = await Tree.OpenAsync("b", Tree.ReadOnly);
        await Tree.RenameAsync("a", "b");
        Assert.Equal("old", await Tree.ReadAsync(handle));
        Assert.Equal("new", await Tree.ReadAsync("b"));
        Tree.Files.Release(handle);
    }

    [Fact]
    public async Task Rename_NewFileOverAnObject_ReplacesIt()
    {
        Bucket.Put("b", "old");
        await Tree.WriteAsync("a", "new");
        await Tree.RenameAsync("a", "b");
        await Tree.DrainAsync();
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("new", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_NewFileThatHadReplacedAnObject_LeavesNothingUnderTheOldName()
    {
        Bucket.Put("log.1", "old");
        var handle = await Tree.CreateAsync("log", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, "new"u8.ToArray(), killsPrivileges: false, default);
        await Tree.RenameAsync("log", "log.1");
        await Tree.RenameAsync("log.1", "log.2");
        PassTime();
        Assert.False(await Tree.ExistsAsync("log.1"));
        await Tree.WriteAsync("log", "next");
        await Tree.RenameAsync("log", "log.1");
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal(["log.1", "log.2"], Bucket.Keys);
        Assert.Equal("next", Bucket.Text("log.1"));
        Assert.Equal("new", Bucket.Text("log.2"));
    }

    [Fact]
    public async Task Rename_NewFileWhereSomebodyElseWroteMeanwhile_LeavesTheirs()
    {
        Bucket.Put("b", "old");
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        await Tree.RenameAsync("a", "b");
        Bucket.Put("b", "theirs");
        await Tree.RenameAsync("b", "c");
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal(["b", "c"], Bucket.Keys);
        Assert.Equal("theirs", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_NewFileWhoseUploadHadNoAnswer_LeavesNothingUnderTheOldName()
    {
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        Bucket.After = (_, key) => throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
        Bucket.Before = (call, key) =>
        {
            if (call == "Head")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        Tree.Files.Release(handle);
        Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
        Assert.Equal(["a"], Bucket.Keys);
        (Bucket.Before, Bucket.After) = (null, null);
        await Tree.RenameAsync("a", "b");
        await Tree.DrainAsync();
        Assert.Equal(["b"], Bucket.Keys);
    }

    [Fact]
    public async Task Rename_ToANameOfOtherRules_GetsItsTags()
    {
        await Tree.WriteAsync("a", "text");
        await Tree.DrainAsync();
        Assert.Equal("data", Bucket.Headers("a").Tags.Single().Value);
        await Tree.RenameAsync("a", "a.log");
        Assert.Equal("log", Bucket.Headers("a.log").Tags.Single().Value);
    }

    [Fact]
    public async Task Rename_Folder_MovesEveryKeyAlsoThoseNotUploaded()
    {
        Bucket.Put("d/x/1", "one");
        Bucket.Put("d//odd", "unseen");
        await Tree.WriteAsync("d/x/2", "two");
        var open = await Tree.CreateAsync("d/3", Tree.WriteOnly);
        await Tree.Files.WriteAsync(open, 0, "three"u8.ToArray(), killsPrivileges: false, default);
        await Tree.RenameAsync("d", "e");
        Tree.Files.Release(open);
        await Tree.DrainAsync();
        Assert.Equal(["e/", "e//odd", "e/3", "e/x/1", "e/x/2"], Bucket.Keys);
        Assert.Equal("three", Bucket.Text("e/3"));
        Assert.Equal("two", await Tree.ReadAsync("e/x/2"));
    }

    [Theory]
    [InlineData("f", "g", "f", "g")]
    [InlineData("d", "e", "d/f", "e/f")]
    public async Task Open_FileThatIsBeingRenamedOrItsFolder_GoesOnAtTheNewKey(string from, string to, string key, string newKey)
    {
        Bucket.Put(key, "one");
        Task<ulong>? opening = null;
        Bucket.Before = (call, _) =>
        {
            if (call == "Copy")
            {
                opening = Tree.OpenAsync(key, Tree.ReadWrite);
            }
        };
        await Tree.RenameAsync(from, to);
        var handle = await opening!;
        await Tree.Files.WriteAsync(handle, 0, "ONE"u8.ToArray(), killsPrivileges: false, default);
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal("ONE", Bucket.Text(newKey));
        Assert.DoesNotContain(key, Bucket.Keys);
    }

    [Fact]
    public async Task Rename_FolderWhoseCopyFails_ChangesNothing()
    {
        Bucket.Put("d/1", "one");
        Bucket.Put("d/2", "two");
        Bucket.Before = (call, key) =>
        {
            if (call == "Copy" && key == "e/2")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        Assert.Equal(["d/1", "d/2"], Bucket.Keys);
        Assert.Equal("two", await Tree.ReadAsync("d/2"));
    }

    [Fact]
    public async Task Rename_FolderWhoseCopyFails_WhatIsNotInTheBucketYetGoesWhereItWas()
    {
        Bucket.Put("d/1", "one");
        var handle = await Tree.CreateAsync("d/new", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, "new"u8.ToArray(), killsPrivileges: false, default);
        Bucket.Before = (call, key) =>
        {
            if (call == "Copy")
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("d", "e"));
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal(["d/1", "d/new"], Bucket.Keys);
        Assert.Equal("new", Bucket.Text("d/new"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rename_OntoWhatSomebodyElseMadeUnseen_OverwritesNothing(bool isUploaded)
    {
        var handle = await Tree.CreateAsync("a", Tree.WriteOnly);
        if (isUploaded)
        {
            await Tree.Files.SyncAsync(handle, default, default);
        }

        Assert.False(await Tree.ExistsAsync("b"));
        Bucket.Put("b", "theirs");
        await FailsAsync(Errno.EEXIST, () => Tree.RenameAsync("a", "b"));
        Assert.Equal("theirs", Bucket.Text("b"));
        // Whoever tries again has seen it.
        await Tree.RenameAsync("a", "b");
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal("", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_OntoWhatSomebodyElseReplacedUnseen_OverwritesNothing()
    {
        Bucket.Put("a", "new");
        Bucket.Put("b", "old");
        await Tree.StatAsync("b");
        var held = await Tree.FindAsync("b");
        Bucket.Put("b", "theirs");
        await FailsAsync(Errno.EEXIST, () => Tree.RenameAsync("a", "b"));
        Assert.Equal("theirs", await Tree.ReadAsync("b"));
        Assert.Equal("new", await Tree.ReadAsync("a"));
        Tree.Files.Forget(held.NodeId, 1);
    }

    [Fact]
    public async Task Rename_FolderOntoKeysThatSomebodyElseMadeUnseen_OverwritesNothing()
    {
        Bucket.Put("d/1", "mine");
        Assert.False(await Tree.ExistsAsync("e"));
        Bucket.Put("e/1", "theirs");
        await FailsAsync(Errno.EEXIST, () => Tree.RenameAsync("d", "e"));
        Assert.Equal("theirs", Bucket.Text("e/1"));
    }

    [Fact]
    public async Task Rename_WhatCannotBe_IsRefused()
    {
        Bucket.Put("f", "file");
        Bucket.Put("d/x", "in a folder");
        Bucket.Put("empty/", "");
        Bucket.Put("outer/inner/", "");
        await FailsAsync(Errno.EISDIR, () => Tree.RenameAsync("f", "d"));
        await FailsAsync(Errno.ENOTDIR, () => Tree.RenameAsync("d", "f"));
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RenameAsync("empty", "d"));
        await FailsAsync(Errno.EINVAL, () => Tree.RenameAsync("d", "d/below"));
        await FailsAsync(Errno.ENOENT, () => Tree.RenameAsync("no", "g"));
        await FailsAsync(Errno.EEXIST, () => Tree.RenameAsync("f", "d", FuseRenameFlags.NoReplace));
        await FailsAsync(Errno.EINVAL, () => Tree.RenameAsync("f", "d", FuseRenameFlags.Exchange));
        // Onto what holds it, and into itself onto something of another kind: the kernel answers these by itself, before it asks a mount.
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RenameAsync("d/x", "d"));
        await FailsAsync(Errno.ENOTEMPTY, () => Tree.RenameAsync("outer/inner", "outer"));
        await FailsAsync(Errno.EINVAL, () => Tree.RenameAsync("d", "d/x"));
        Assert.Equal(["d/x", "empty/", "f", "outer/inner/"], Bucket.Keys);
    }
}
