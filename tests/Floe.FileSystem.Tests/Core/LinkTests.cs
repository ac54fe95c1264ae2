using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class LinkTests : CoreTests
{
    [Fact]
    public async Task MakeLink_IsAnObjectOfItsTarget_NamedInTheListOfLinks()
    {
        await Tree.MakeFolderAsync("work");
        await Tree.LinkAsync("work/in1", "/fusion/s3/data/in1.fq");
        await Tree.LinkAsync("work/in2", "/fusion/s3/data/in2.fq");
        await Tree.DrainAsync();
        Assert.Equal("/fusion/s3/data/in1.fq", Bucket.Text("work/in1"));
        Assert.Equal("0120777", Bucket.Headers("work/in1").Metadata["file-permissions"]);
        Assert.Equal("in1\nin2\n", Bucket.Text("work/.fusion.symlinks"));
        Assert.Equal([("in1", Link), ("in2", Link)], await Tree.ListAsync("work"));
    }

    [Fact]
    public async Task MakeLink_SomebodyElseMadeTheNameUnseen_OverwritesNothing()
    {
        Assert.False(await Tree.ExistsAsync("l"));
        Bucket.Put("l", "theirs");
        await FailsAsync(Errno.EEXIST, () => Tree.LinkAsync("l", "target"));
        Assert.Equal("theirs", await Tree.ReadAsync("l"));
    }

    [Fact]
    public async Task ReadLink_OnAnotherMount_IsTheTarget()
    {
        await Tree.LinkAsync("l", "../somewhere/ü");
        await Tree.DrainAsync();
        await using var another = Another();
        Assert.Equal("../somewhere/ü", await another.ReadLinkAsync("l"));
        Assert.Equal([("l", Link)], await another.ListAsync("", takesEntries: true));
    }

    [Fact]
    public async Task ReadLink_OneThatFusionMade_IsALinkByTheListAlone()
    {
        Bucket.Put("work/in", "/fusion/s3/data/in.fq");
        Bucket.Put("work/file", "text");
        Bucket.Put("work/" + LinkList.Name, "in\n");
        Assert.Equal("/fusion/s3/data/in.fq", await Tree.ReadLinkAsync("work/in"));
        Assert.Equal([("file", File), ("in", Link)], await Tree.ListAsync("work"));
        Assert.Equal(File, (await Tree.StatAsync("work/file")).Mode & Interop.S_IFMT);
    }

    [Fact]
    public async Task MakeLink_ListOfMoreThanAMegabyte_IsReadAndChanged()
    {
        Bucket.Put("work/in", "/fusion/s3/data/in.fq");
        var names = string.Concat(Enumerable.Range(0, 60_000).Select(i => $"{i:D24}\n"));
        Bucket.Put("work/" + LinkList.Name, names + "in\n");
        Assert.Equal("/fusion/s3/data/in.fq", await Tree.ReadLinkAsync("work/in"));
        await Tree.LinkAsync("work/new", "t");
        await Tree.UnlinkAsync("work/in");
        await Tree.DrainAsync();
        Assert.Equal(names + "new\n", Bucket.Text("work/" + LinkList.Name));
    }

    [Fact]
    public async Task Lookup_FolderOfManyLinks_CopiesNoList()
    {
        Bucket.Put("work/file", "text");
        Bucket.Put("work/" + LinkList.Name, string.Concat(Enumerable.Range(0, 50_000).Select(i => $"{i}\n")));
        await Tree.FindAsync("work");
        await Tree.ExistsAsync("work/file");
        // All of it on this thread: the bucket is in memory, and no lookup so worth a listing.
        var (thread, before) = (Environment.CurrentManagedThreadId, GC.GetAllocatedBytesForCurrentThread());
        for (var i = 0; i < 6; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(1.5));
            await Tree.ExistsAsync("work/file");
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 1 << 20);
        Assert.Equal(thread, Environment.CurrentManagedThreadId);
        Assert.Equal(7, Bucket.Calls.Count(c => c == "Head work/file"));
        Assert.Single(Bucket.Calls, c => c == $"Get work/{LinkList.Name}");
    }

    [Fact]
    public async Task Lookup_ManyAtOnce_ReadTheListOfLinksOnce()
    {
        Bucket.Put("work/1", "/target");
        Bucket.Put("work/2", "/target");
        Bucket.Put("work/" + LinkList.Name, "1\n2\n");
        var folder = (await Tree.FindAsync("work")).NodeId;
        Task<FuseEntry>? second = null;
        Bucket.Before = (call, _) =>
        {
            if (call == "Get")
            {
                Bucket.Before = null;
                second = Tree.Files.LookupAsync(folder, "2", default).AsTask();
            }
        };
        Assert.Equal(Link, (await Tree.StatAsync("work/1")).Mode & Interop.S_IFMT);
        Assert.Equal(Link, (await second!).Attributes.Mode & Interop.S_IFMT);
        Assert.Single(Bucket.Calls, c => c == $"Get work/{LinkList.Name}");
    }

    [Fact]
    public async Task MakeLink_ListBeyondTheLimit_CountsAsNoneAndStays()
    {
        var list = string.Concat(Enumerable.Repeat("0123456789abcde\n", (LinkList.MaxBytes / 16) + 1));
        Bucket.Put("work/file", "text");
        Bucket.Put("work/" + LinkList.Name, list);
        Assert.Equal([("file", File)], await Tree.ListAsync("work"));
        Assert.Equal("text", await Tree.ReadAsync("work/file"));
        await Tree.LinkAsync("work/l", "t");
        await Tree.DrainAsync();
        Assert.Equal(list.Length, Bucket.Content("work/" + LinkList.Name).Length);
        await using var another = Another();
        Assert.Equal("t", await another.ReadLinkAsync("work/l"));
        Assert.Equal(["file", "l"], (await another.ListAsync("work")).Select(e => e.Name));
    }

    [Fact]
    public async Task MakeLink_ListThatIsFull_TakesNoMoreAndLosesWhatIsRemoved()
    {
        var list = string.Concat(Enumerable.Range(0, LinkList.MaxBytes / 16).Select(i => $"{i:D15}\n"));
        var first = $"{0:D15}";
        Bucket.Put("work/" + first, "target");
        Bucket.Put("work/" + LinkList.Name, list);
        await Tree.LinkAsync("work/a", "t");
        await Tree.DrainAsync();
        Assert.Equal(list.Length, Bucket.Content("work/" + LinkList.Name).Length);
        await Tree.UnlinkAsync("work/" + first);
        await Tree.DrainAsync();
        Assert.Equal(list[16..], Bucket.Text("work/" + LinkList.Name));
    }

    [Fact]
    public async Task Unlink_LastLink_TakesTheListToo()
    {
        await Tree.MakeFolderAsync("d");
        await Tree.LinkAsync("d/l", "t");
        await Tree.UnlinkAsync("d/l");
        await Tree.DrainAsync();
        Assert.Equal(["d/"], Bucket.Keys);
        await Tree.RemoveFolderAsync("d");
        Assert.Empty(Bucket.Keys);
    }

    [Fact]
    public async Task Rename_Link_MovesItsEntryInTheLists()
    {
        await Tree.MakeFolderAsync("a");
        await Tree.MakeFolderAsync("b");
        await Tree.LinkAsync("a/l", "t");
        await Tree.RenameAsync("a/l", "b/m");
        await Tree.DrainAsync();
        Assert.Equal(["a/", "b/", "b/.fusion.symlinks", "b/m"], Bucket.Keys);
        Assert.Equal("m\n", Bucket.Text("b/.fusion.symlinks"));
        Assert.Equal("t", await Tree.ReadLinkAsync("b/m"));
    }

    [Fact]
    public async Task ReadLink_File_IsInvalid()
    {
        Bucket.Put("f", "text");
        await FailsAsync(Errno.EINVAL, () => Tree.ReadLinkAsync("f"));
    }

    [Fact]
    public async Task List_FilesArePublishedWhileTheListOfLinksIsRead_IsReadOnce()
    {
        Bucket.Put("d/a", "x");
        Bucket.Put("d/.fusion.symlinks", "a\n");
        var read = 0;
        WhenListIsRead(() =>
        {
            if (++read < 5)
            {
                Tree.WriteAsync($"d/f{read}", "x").GetAwaiter().GetResult();
                Tree.DrainAsync().GetAwaiter().GetResult();
            }
        });
        Assert.Contains(("a", Link), await Tree.ListAsync("d"));
        Assert.Equal(1, read);
    }

    [Fact]
    public async Task List_LinkIsMadeWhileTheListOfLinksIsRead_IsALink()
    {
        Bucket.Put("d/a", "x");
        Bucket.Put("d/.fusion.symlinks", "a\n");
        WhenListIsRead(() =>
        {
            Bucket.Before = null;
            Tree.LinkAsync("d/l", "a").GetAwaiter().GetResult();
        });
        await Tree.ListAsync("d");
        Assert.Equal([("a", Link), ("l", Link)], await Tree.ListAsync("d"));
        await Tree.DrainAsync();
    }

    [Theory]
    [InlineData("d/l", "d/m")]
    [InlineData("d", "e")]
    public async Task ReadLink_ItsObjectIsBeingRenamed_IsRead(string from, string to)
    {
        await Tree.MakeFolderAsync("d");
        await using (var other = Another())
        {
            await other.LinkAsync("d/l", "target");
            await other.DrainAsync();
        }

        var entry = await Tree.FindAsync("d/l");
        Task<byte[]>? reading = null;
        Bucket.Before = (call, key) =>
        {
            // The old key is gone, and the rename does not know it yet.
            if (call == "Delete" && key == "d/l" && reading is null)
            {
                Bucket.Remove(key);
                reading = Tree.Files.ReadLinkAsync(entry.NodeId, default).AsTask();
            }
        };
        await Tree.RenameAsync(from, to);
        Assert.Equal("target", System.Text.Encoding.UTF8.GetString(await reading!));
    }

    /// <summary>Who looks it up past the kernel, as the agent may, does not take the name before it is made.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Make_LookedUpWhileTheAnswerIsOnItsWay_IsMade(bool isLink)
    {
        await Tree.MakeFolderAsync("d");
        var d = await Tree.FindAsync("d");
        Time.Advance(TimeSpan.FromSeconds(2));
        var isFound = true;
        Bucket.After = (call, key) =>
        {
            if (call == "Put" && key.StartsWith("d/new", StringComparison.Ordinal))
            {
                Time.Advance(TimeSpan.FromSeconds(2));
                isFound = Tree.Files.LookupAsync(d.NodeId, "new", default).AsTask().GetAwaiter().GetResult().NodeId != 0;
            }
        };
        await (isLink ? Tree.LinkAsync("d/new", "target") : Tree.MakeFolderAsync("d/new"));
        Assert.False(isFound);
        Assert.True(await Tree.ExistsAsync("d/new"));
    }

    private void WhenListIsRead(Action action) => Bucket.Before = (call, key) =>
    {
        if (call == "Get" && key == "d/.fusion.symlinks")
        {
            action();
        }
    };
}
