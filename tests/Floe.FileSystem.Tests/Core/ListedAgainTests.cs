using Floe.FileSystem.Moving;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Listings that go back, and those that were under way at a snapshot.</summary>
public sealed class ListedAgainTests : CoreTests
{
    private const int PageEntries = 10;

    protected override FileSystemOptions Options => base.Options with { PageEntries = PageEntries };

    /// <summary>The page had own names beside those of the bucket, which has them all by now.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task List_BackToAPageWhoseOwnNamesHaveGoneUp_GoesOnThereToTheEnd(int pagesBack)
    {
        Fill(40);
        var open = new List<ulong>();
        for (var i = 0; i < 3; i++)
        {
            open.Add(await Tree.CreateAsync($"f{i:000}a", Tree.WriteOnly));
        }

        var handle = Tree.Files.OpenFolder(1);
        var position = await OffsetBehindAsync(handle, "f005");
        await OffsetBehindAsync(handle, $"f0{pagesBack}5", position);
        open.ForEach(Tree.Files.Release);
        await Tree.DrainAsync();
        PassTime();
        Assert.Equal(Names(6, 40), await RestAsync(handle, position));
        Tree.Files.ReleaseFolder(handle);
    }

    /// <summary>The kernel asks for more than the program takes, which goes on in the middle of what it was given.</summary>
    [Fact]
    public async Task List_ProgramTookAPartOfTheAnswerAndNamesWentMeanwhile_MissesNone()
    {
        Fill(50);
        var handle = Tree.Files.OpenFolder(1);
        var answer = new Tree.ListBuffer(46, takesEntries: false);
        await Tree.Files.ReadFolderAsync(handle, 0, answer, default);
        var taken = answer.Entries.Find(e => e.Name == "f004");
        for (var i = 0; i < 5; i++)
        {
            await Tree.UnlinkAsync($"f{i:000}");
        }

        Assert.Equal(Names(5, 50), await RestAsync(handle, taken.Next));
        Tree.Files.ReleaseFolder(handle);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(34)]
    public async Task List_MovedWhileItsNamesAreRemoved_MissesNone(int removed)
    {
        Fill(50, "d/");
        var entry = await Tree.FindAsync("d");
        var handle = Tree.Files.OpenFolder(entry.NodeId);
        var offset = 0UL;
        for (var done = 0; done < removed;)
        {
            var answer = new Tree.ListBuffer(7, takesEntries: false);
            await Tree.Files.ReadFolderAsync(handle, offset, answer, default);
            // A program may have taken a part of it.
            foreach (var (name, _, next, _) in answer.Entries.TakeWhile(_ => done < removed))
            {
                offset = next;
                if (name is not ("." or ".."))
                {
                    await Tree.UnlinkAsync($"d/{name}");
                    done++;
                }
            }
        }

        await using var next1 = await MovedAsync();
        // A life in which it is not read on is between.
        var opened = await OpenAsync(next1, "d");
        next1.Files.IsBeingRestored = false;
        await using var next2 = await MovedAsync(next1);
        opened = await OpenAsync(next2, "d");
        next2.Files.IsBeingRestored = false;
        Assert.Equal(Names(removed, 50), await RestAsync(opened, offset, next2));
        next2.Files.ReleaseFolder(opened);
    }

    [Fact]
    public async Task List_TwoOfOneFolderMoved_EachMissesNone()
    {
        Fill(50);
        var first = Tree.Files.OpenFolder(1);
        var firstOffset = await OffsetBehindAsync(first, "f015");
        for (var i = 0; i < 10; i++)
        {
            await Tree.UnlinkAsync($"f{i:000}");
        }

        // At the same count of other names.
        var second = Tree.Files.OpenFolder(1);
        var secondOffset = await OffsetBehindAsync(second, "f025");
        Assert.Equal(firstOffset, secondOffset);
        await using var next = await MovedAsync();
        var (firstAgain, secondAgain) = (await OpenAsync(next, ""), await OpenAsync(next, ""));
        Assert.Equal(Names(16, 50), await RestAsync(firstAgain, firstOffset, next));
        Assert.Equal(Names(26, 50), (await RestAsync(secondAgain, secondOffset, next)).SkipWhile(n => string.CompareOrdinal(n, "f026") < 0));
        // From its start it is any other.
        Assert.Equal(Names(10, 50), await RestAsync(firstAgain, 0, next));
    }

    [Fact]
    public async Task List_OpenedAfterTheRestore_HasNothingOfTheListingThatCame()
    {
        Fill(30);
        var handle = Tree.Files.OpenFolder(1);
        await OffsetBehindAsync(handle, "f015");
        await using var next = await MovedAsync();
        next.Files.IsBeingRestored = false;
        _ = await OpenAsync(next, "");
        Assert.Empty((await next.Files.CaptureAsync(taskRunsOn: false, default)).State.Listings);
        next.Files.Resume(isDropped: true);
    }

    [Theory]
    [InlineData("""{"path":"a/../b","offset":3,"keys":["x"]}""")]
    [InlineData("""{"path":"a","offset":3,"keys":[""]}""")]
    [InlineData("""{"path":"a","offset":9223372036854775808,"keys":["x"]}""")]
    public void Parse_ListingThatMakesNoSense_IsRefused(string listing)
    {
        var state = $$"""{"version":1,"lineage":"{{new string('a', 32)}}","root":"","nodes":[],"listings":[{{listing}}]}""";
        Assert.Throws<MountStateException>(() => MountState.Parse(System.Text.Encoding.UTF8.GetBytes(state)));
    }

    private static IEnumerable<string> Names(int first, int end) => Enumerable.Range(first, end - first).Select(i => $"f{i:000}");

    private void Fill(int count, string prefix = "")
    {
        foreach (var name in Names(0, count))
        {
            Bucket.Put(prefix + name, "x");
        }
    }

    private static async Task<ulong> OpenAsync(Tree tree, string path) => tree.Files.OpenFolder((await tree.FindAsync(path)).NodeId);

    /// <summary>Reads in answers of four names until one is there; gives the offset behind it.</summary>
    private async Task<ulong> OffsetBehindAsync(ulong handle, string name, ulong offset = 0)
    {
        while (true)
        {
            var answer = new Tree.ListBuffer(4, takesEntries: false);
            await Tree.Files.ReadFolderAsync(handle, offset, answer, default);
            Assert.NotEmpty(answer.Entries);
            if (answer.Entries.FindIndex(e => e.Name == name) is >= 0 and var at)
            {
                return answer.Entries[at].Next;
            }

            offset = answer.Entries[^1].Next;
        }
    }

    private async Task<List<string>> RestAsync(ulong handle, ulong offset, Tree? tree = null)
    {
        var names = new List<string>();
        while (true)
        {
            var answer = new Tree.ListBuffer(4, takesEntries: false);
            await (tree ?? Tree).Files.ReadFolderAsync(handle, offset, answer, default);
            if (answer.Entries.Count == 0)
            {
                return names;
            }

            names.AddRange(answer.Entries.Select(e => e.Name).Where(n => n is not ("." or "..")));
            offset = answer.Entries[^1].Next;
        }
    }
}
