using Floe.Fuse;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>What the bucket is asked while names come and go in a folder.</summary>
public sealed class BusyFolderTests : CoreTests
{
    [Fact]
    public async Task Create_ManyInAFolderOfSeveralPages_AsksUntilItIsListedInFull()
    {
        for (var i = 0; i < 1500; i++)
        {
            Bucket.Put($"d/{i}", "x");
        }

        await HoldAsync();
        for (var i = 0; i < 300; i++)
        {
            await Tree.WriteAsync($"d/new{i}", "x");
        }

        await Tree.DrainAsync();
        Assert.InRange(Asked(), 1, 60);
        Assert.Equal(1800, Bucket.Keys.Count);
    }

    [Fact]
    public async Task Lookup_AnotherNameGoesMeanwhile_IsNotAskedForAgain()
    {
        Bucket.Put("d/a", "x");
        await HoldAsync();
        var open = await Tree.CreateAsync("d/other", Tree.WriteOnly);
        Bucket.Calls.Clear();
        Once("Head", "d/f", () => Run(Tree.UnlinkAsync("d/other")));
        Assert.False(await Tree.ExistsAsync("d/f"));
        Assert.Equal(2, Asked());
        Tree.Files.Release(open);
    }

    [Fact]
    public async Task Lookup_TheNameIsMadeMeanwhile_IsThere()
    {
        Bucket.Put("d/a", "x");
        await HoldAsync();
        Once("List", "d/f/", () => Run(Tree.WriteAsync("d/f", "x")));
        Assert.True(await Tree.ExistsAsync("d/f"));
    }

    [Fact]
    public async Task Lookup_ANameGoesWhileTheFolderIsListed_ListingCountsWithoutIt()
    {
        Bucket.Put("d/a", "x");
        await HoldAsync();
        var open = await Tree.CreateAsync("d/gone", Tree.WriteOnly);
        Time.Advance(TimeSpan.FromSeconds(2));
        await Tree.ExistsAsync("d/1");
        await Tree.ExistsAsync("d/2");
        Once("List", "d/", () => Run(Tree.UnlinkAsync("d/gone")));
        Assert.False(await Tree.ExistsAsync("d/3"));
        Bucket.Calls.Clear();
        Assert.False(await Tree.ExistsAsync("d/4"));
        Assert.False(await Tree.ExistsAsync("d/gone"));
        Assert.Equal(0, Asked());
        Assert.Equal("x", await Tree.ReadAsync("d/a"));
        Tree.Files.Release(open);
    }

    [Fact]
    public async Task Lookup_ManyWhileTheFolderIsListed_WaitForTheOneListing()
    {
        Bucket.Put("d/a", new string('x', 5000));
        var folder = (await Tree.FindAsync("d")).NodeId;
        await Tree.ExistsAsync("d/1");
        await Tree.ExistsAsync("d/2");
        List<Task<FuseEntry>> lookups = [];
        Once("List", "d/", () =>
        {
            for (var i = 0; i < 100; i++)
            {
                lookups.Add(Tree.Files.LookupAsync(folder, i == 7 ? "a" : $"none{i}", default).AsTask());
            }
        });
        Bucket.Calls.Clear();
        Assert.False(await Tree.ExistsAsync("d/3"));
        var found = await Task.WhenAll(lookups);
        Assert.Equal([7], Enumerable.Range(0, 100).Where(i => found[i].NodeId != 0));
        Assert.Equal(["Head d/a", "List d/"], Bucket.Calls.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Lookup_ListingTakesLongerThanItIsBelieved_CountsForWhoAskedInTime()
    {
        Bucket.Put("d/a", "x");
        var folder = (await Tree.FindAsync("d")).NodeId;
        await Tree.ExistsAsync("d/1");
        await Tree.ExistsAsync("d/2");
        List<Task<FuseEntry>> lookups = [];
        Once("List", "d/", () =>
        {
            lookups.Add(Tree.Files.LookupAsync(folder, "early", default).AsTask());
            Time.Advance(TimeSpan.FromSeconds(2));
            lookups.Add(Tree.Files.LookupAsync(folder, "late", default).AsTask());
        });
        Bucket.Calls.Clear();
        Assert.False(await Tree.ExistsAsync("d/3"));
        await Task.WhenAll(lookups);
        Assert.Equal(["Head d/late", "List d/", "List d/late/"], Bucket.Calls.Order(StringComparer.Ordinal));
        Bucket.Calls.Clear();
        for (var i = 4; i < 20; i++)
        {
            Assert.False(await Tree.ExistsAsync($"d/{i}"));
        }

        // It is not tried again for a while.
        Assert.DoesNotContain("List d/", Bucket.Calls);
    }

    [Fact]
    public async Task Lookup_WhoBeganTheListingGivesUp_OthersHaveItAllTheSame()
    {
        Bucket.Put("d/a", "x");
        var folder = (await Tree.FindAsync("d")).NodeId;
        await Tree.ExistsAsync("d/1");
        await Tree.ExistsAsync("d/2");
        using var killed = new CancellationTokenSource();
        using var isAsked = new ManualResetEventSlim();
        using var mayAnswer = new ManualResetEventSlim();
        Once("List", "d/", () =>
        {
            isAsked.Set();
            mayAnswer.Wait();
        });
        var first = Tree.Files.LookupAsync(folder, "3", killed.Token).AsTask();
        isAsked.Wait();
        var second = Tree.Files.LookupAsync(folder, "4", default).AsTask();
        await killed.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        mayAnswer.Set();
        Assert.Equal(0UL, (await second).NodeId);
        Assert.DoesNotContain("List d/4/", Bucket.Calls);
    }

    /// <summary>As the kernel does, which knows the folder as long as it knows a name in it.</summary>
    private Task HoldAsync() => Tree.FindAsync("d");

    private int Asked() => Bucket.Calls.Count(c => c.StartsWith("Head", StringComparison.Ordinal) || c.StartsWith("List", StringComparison.Ordinal));

    /// <summary>Does something while a call is under way.</summary>
    private void Once(string call, string key, Action action) => Bucket.Before = (c, k) =>
    {
        if (c == call && k == key)
        {
            Bucket.Before = null;
            action();
        }
    };

    private static void Run(Task task) => Task.Run(() => task).GetAwaiter().GetResult();
}
