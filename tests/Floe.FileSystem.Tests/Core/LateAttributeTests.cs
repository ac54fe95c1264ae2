using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Attributes that are set when the file's first part has gone up. About 2 s in all.</summary>
public sealed class LateAttributeTests : CoreTests
{
    private const string Permissions = "file-permissions";
    private const int Limit = 10 << 20;

    private readonly byte[] _bytes = Content.ContentFixture.Bytes(Limit + 1);

    protected override FileSystemOptions Options => base.Options with { MaxSingleCopyBytes = Limit };

    [Fact]
    public async Task Rename_CopyHasTheAttributes_TheNameIsNotKeptForThem()
    {
        Bucket.Put("f", "text");
        await Tree.ChangeAsync("f", new FuseSetAttributes { Mode = 0x1C0 });
        var before = Tree.Files.KnownNames;
        await Tree.RenameAsync("f", "g");
        Assert.Equal(before - 1, Tree.Files.KnownNames);
        PassTime();
        Assert.Equal(0x1C0u, (await Tree.StatAsync("g")).Mode & 0xFFF);
    }

    [Fact]
    public async Task SetAttributes_PartsHaveGoneUp_AreInTheMetadata()
    {
        var time = new UnixTime(1_600_000_000, 5);
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED, Uid = 7, MTime = new FuseTime(time) });
        await Tree.DrainAsync();
        Assert.Equal(_bytes, Bucket.Content("f"));
        Assert.Equal(0, Bucket.OpenUploads);
        await using var another = Another();
        var stat = await another.StatAsync("f");
        Assert.Equal((0x1EDu, 7u, time), (stat.Mode & 0xFFF, stat.Uid, stat.MTime));
        Assert.Equal(Tree.Contents.Lineage, Bucket.Headers("f").Metadata["floe-lineage"]);
        Assert.Equal(0x1EDu, (await Tree.StatAsync("f")).Mode & 0xFFF);
    }

    [Theory]
    [InlineData(Limit, true)]
    [InlineData(Limit + 1, false)]
    public async Task SetAttributes_TimesAlone_AreInTheMetadataOfWhatIsNotTooLarge(int size, bool isCopied)
    {
        await WriteAsync(new FuseSetAttributes { MTime = new FuseTime(new UnixTime(1_600_000_000, 0)) }, size);
        await Tree.DrainAsync();
        Assert.Equal(isCopied, Bucket.Headers("f").Metadata.ContainsKey("file-mtime"));
        PassTime();
        Assert.Equal(1_600_000_000, (await Tree.StatAsync("f")).MTime.Seconds);
    }

    [Fact]
    public async Task SetAttributes_ToWhatTheyAre_CopiesNothing()
    {
        await WriteAsync(new FuseSetAttributes { Mode = 0x1A4, Uid = 0 });
        await Tree.DrainAsync();
        Assert.DoesNotContain("CopyPart f", Bucket.Calls);
    }

    [Fact]
    public async Task SetAttributes_ServiceDoesNotCopy_FileIsThereAndTheyHoldHere()
    {
        Bucket.Before = (call, key) => _ = call == "CopyPart" ? throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key) : 0;
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED });
        await Tree.DrainAsync();
        Assert.Equal(_bytes, Bucket.Content("f"));
        Assert.Equal("0100644", Bucket.Headers("f").Metadata[Permissions]);
        Assert.Equal(0, Bucket.OpenUploads);
        PassTime();
        Assert.Equal(0x1EDu, (await Tree.StatAsync("f")).Mode & 0xFFF);
    }

    /// <summary>The copy got through: what is written next goes over it.</summary>
    [Fact]
    public async Task SetAttributes_CopyUnanswered_FileIsStillTheTasks()
    {
        var completed = 0;
        Bucket.Before = (call, key) =>
        {
            if (call == "CompleteUpload" && ++completed == 2)
            {
                var there = Bucket.Headers(key);
                var metadata = new Dictionary<string, string>(there.Metadata) { [Permissions] = "0100755" };
                _ = Bucket.PutAsync(key, _bytes, there with { Metadata = metadata, WriteId = metadata["floe-write-id"] }, PutCondition.None, default);
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, "no answer");
            }
        };
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED });
        await Tree.DrainAsync();
        Bucket.Before = null;
        var handle = await Tree.OpenAsync("f", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 1, new byte[1], killsPrivileges: false, default);
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        _bytes[1] = 0;
        Assert.Equal(_bytes, Bucket.Content("f"));
    }

    [Theory]
    [InlineData("CopyPart")]
    [InlineData("CompleteUpload")]
    public async Task SetAttributes_SomebodyElseWritesMeanwhile_OverwritesNothing(string when)
    {
        var isCopying = false;
        Bucket.Before = (call, key) =>
        {
            isCopying |= call == "CopyPart";
            if (isCopying && call == when)
            {
                Bucket.Before = null;
                Bucket.Put(key, "theirs");
            }
        };
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED });
        await Tree.DrainAsync();
        Assert.Equal("theirs", Bucket.Text("f"));
        Assert.Equal(0, Bucket.OpenUploads);
    }

    /// <summary>The snapshot names the version that the upload made.</summary>
    [Fact]
    public async Task SetAttributes_SnapshotMeanwhile_ObjectStaysAndTheyTravel()
    {
        Task<Moving.CapturedMount>? capture = null;
        Bucket.Before = (call, _) =>
        {
            if (call == "CopyPart")
            {
                capture = Task.Run(() => Tree.Files.CaptureAsync(taskRunsOn: true, default));
                SpinWait.SpinUntil(() => Tree.Contents.StandsStill);
            }
        };
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED });
        while (Volatile.Read(ref capture) is null)
        {
            await Task.Delay(5);
        }

        var node = Assert.Single((await capture!).State.Nodes);
        Tree.Files.Resume();
        await Tree.DrainAsync();
        Assert.Equal(0x1EDu, node.Mode & 0xFFF);
        Assert.Equal("0100644", Bucket.Headers("f").Metadata[Permissions]);
        Assert.Equal((await Bucket.HeadAsync("f", default))!.ETag.Value, node.Object?.ETag);
        Assert.Equal(0, Bucket.OpenUploads);
    }

    [Fact]
    public async Task SetAttributes_RenamedMeanwhile_GoAlong()
    {
        Task? renaming = null;
        Bucket.Before = (call, _) => renaming ??= call == "CopyPart" ? Task.Run(() => Tree.RenameAsync("f", "g")) : null;
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED });
        await Tree.DrainAsync();
        await renaming!;
        Assert.Equal(["g"], Bucket.Keys);
        Assert.Equal("0100755", Bucket.Headers("g").Metadata[Permissions]);
    }

    /// <summary>The copy comes to nothing before the rename looks at what it replaces.</summary>
    [Fact]
    public async Task SetAttributes_ReplacedMeanwhile_RenameSucceeds()
    {
        Bucket.Put("g", "new");
        var copying = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var isDone = 0;
        Bucket.Copying = _ => copying.Task;
        Bucket.Completed = _ => isDone++;
        await WriteAsync(new FuseSetAttributes { Mode = 0x1ED });
        while (!Bucket.CallsSoFar.Contains("CopyPart f"))
        {
            await Task.Delay(5);
        }

        Bucket.Before = (call, key) =>
        {
            if (call == "Copy" && key == "f")
            {
                copying.TrySetResult();
                SpinWait.SpinUntil(() => Volatile.Read(ref isDone) == 2 || Bucket.OpenUploads == 0);
            }
        };
        await Tree.RenameAsync("g", "f");
        await Tree.DrainAsync();
        Assert.Equal(["f"], Bucket.Keys);
        Assert.Equal("new", Bucket.Text("f"));
        Assert.Equal(1, isDone);
    }

    /// <summary>Writes, sets the attributes when the first part has gone up, and closes.</summary>
    private async Task WriteAsync(FuseSetAttributes change, int size = Limit + 1)
    {
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly);
        for (var at = 0; at < size; at += 1 << 20)
        {
            await Tree.Files.WriteAsync(handle, at, _bytes.AsMemory(at, Math.Min(1 << 20, size - at)), killsPrivileges: false, default);
        }

        while (!Bucket.CallsSoFar.Contains("UploadPart f"))
        {
            await Task.Delay(5);
        }

        await Tree.ChangeAsync("f", change);
        Tree.Files.Release(handle);
    }
}
