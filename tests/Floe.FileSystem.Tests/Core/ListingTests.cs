using Floe.Linux;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class ListingTests : CoreTests
{
    protected override FileSystemOptions Options => base.Options with { PageEntries = 10, MaxListedNodes = 50 };

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(int.MaxValue)]
    public async Task List_MoreThanAPage_GivesEveryNameOnce(int entriesPerCall)
    {
        var expected = Enumerable.Range(0, 95).Select(i => $"f{i:000}").ToList();
        expected.ForEach(name => Bucket.Put(name, "x"));
        Assert.Equal(expected, (await Tree.ListAsync("", entriesPerCall)).Select(e => e.Name));
        Assert.Equal(expected, (await Tree.ListAsync("", entriesPerCall, takesEntries: true)).Select(e => e.Name));
    }

    [Fact]
    public async Task List_NamesNotUploadedYet_StandInTheirPlaces()
    {
        for (var i = 0; i < 40; i += 2)
        {
            Bucket.Put($"f{i:000}", "x");
        }

        var open = new List<ulong>();
        for (var i = 1; i < 40; i += 2)
        {
            open.Add(await Tree.CreateAsync($"f{i:000}", Tree.WriteOnly));
        }

        Assert.Equal(Enumerable.Range(0, 40).Select(i => $"f{i:000}"), (await Tree.ListAsync("", 3)).Select(e => e.Name));
        open.ForEach(Tree.Files.Release);
    }

    [Fact]
    public async Task List_FromAnOffsetAgain_GoesOnThere()
    {
        for (var i = 0; i < 60; i++)
        {
            Bucket.Put($"f{i:000}", "x");
        }

        var handle = Tree.Files.OpenFolder(1);
        var all = new Tree.ListBuffer(int.MaxValue, takesEntries: false);
        await Tree.Files.ReadFolderAsync(handle, 0, all, default);
        foreach (var position in (int[])[3, 50, 17, 61, 2])
        {
            var rest = new Tree.ListBuffer(int.MaxValue, takesEntries: false);
            await Tree.Files.ReadFolderAsync(handle, all.Entries[position].Next, rest, default);
            Assert.Equal(all.Entries.Skip(position + 1).Select(e => e.Name), rest.Entries.Select(e => e.Name));
        }

        Tree.Files.ReleaseFolder(handle);
    }

    [Fact]
    public async Task List_WhileFilesAreRemoved_MissesNone()
    {
        for (var i = 0; i < 50; i++)
        {
            Bucket.Put($"d/f{i:000}", "x");
        }

        var entry = await Tree.FindAsync("d");
        var handle = Tree.Files.OpenFolder(entry.NodeId);
        var seen = new List<string>();
        for (var offset = 0UL; ;)
        {
            var page = new Tree.ListBuffer(4, takesEntries: false);
            await Tree.Files.ReadFolderAsync(handle, offset, page, default);
            if (page.Entries.Count == 0)
            {
                break;
            }

            foreach (var (name, _, next, _) in page.Entries)
            {
                offset = next;
                if (name is not ("." or ".."))
                {
                    seen.Add(name);
                    await Tree.UnlinkAsync($"d/{name}");
                }
            }
        }

        Tree.Files.ReleaseFolder(handle);
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"f{i:000}"), seen);
        await Tree.RemoveFolderAsync("d");
        Assert.Empty(Bucket.Keys);
    }

    [Fact]
    public async Task List_AllBucketsWithoutTheRightToListThem_ShowsThoseThatWereUsed()
    {
        Service.ListFault = ObjectStoreErrorKind.AccessDenied;
        await using var tree = new Tree(Service, new FileSystemOptions(), Time);
        Bucket.Put("k", "text");
        Assert.Equal([("s3", Folder)], await tree.ListAsync(""));
        Assert.Equal([], await tree.ListAsync("s3"));
        Assert.Equal("text", await tree.ReadAsync($"s3/{Tree.Bucket}/k"));
        Assert.False(await tree.ExistsAsync("s3/no-such-bucket"));
        Assert.False(await tree.ExistsAsync("s3/x"));
        Assert.Equal([(Tree.Bucket, Folder)], await tree.ListAsync("s3"));
        await FailsAsync(Errno.EPERM, () => tree.MakeFolderAsync("s3/new"));
        await FailsAsync(Errno.EPERM, () => tree.WriteAsync("file", "x"));
        await FailsAsync(Errno.EBUSY, () => tree.RemoveFolderAsync($"s3/{Tree.Bucket}"));
    }
}
