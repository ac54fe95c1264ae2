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
