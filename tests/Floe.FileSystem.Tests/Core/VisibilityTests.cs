using Floe.Linux;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>What one mount sees of others' changes, and when: docs/semantics.md, "Visibility".</summary>
public sealed class VisibilityTests : CoreTests
{
    [Fact]
    public async Task Lookup_MadeByOthersAfterAMiss_IsSeenAfterASecond()
    {
        Assert.False(await Tree.ExistsAsync("f"));
        Bucket.Put("f", "new");
        Assert.False(await Tree.ExistsAsync("f"));
        Time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.Equal("new", await Tree.ReadAsync("f"));
    }

    /// <summary>With no time at all the kernel would take the name away from who makes the file in that moment (FuseEntry.None).</summary>
    [Fact]
    public async Task Lookup_MissedLongAgoAndListedSince_HasTimeToLive()
    {
        Assert.True((await Tree.Files.LookupAsync(1, "f", default)).EntryValid > TimeSpan.Zero);
        Time.Advance(TimeSpan.FromSeconds(1.1));
        for (var i = 0; i < 5; i++)
        {
            // Several at once make a listing worth while.
            await Tree.ExistsAsync($"other{i}");
        }

        var missed = await Tree.Files.LookupAsync(1, "f", default);
        Assert.Equal(0UL, missed.NodeId);
        Assert.True(missed.EntryValid > TimeSpan.Zero);
    }

    [Fact]
    public async Task Stat_ReplacedByOthers_IsSeenAfterASecond()
    {
        Bucket.Put("f", "one");
        var before = await Tree.StatAsync("f");
        Bucket.Put("f", "longer");
        Time.Advance(TimeSpan.FromSeconds(1.1));
        var after = await Tree.StatAsync("f");
        Assert.Equal((3UL, 6UL), (before.Size, after.Size));
        Assert.Equal("longer", await Tree.ReadAsync("f"));
    }

    [Fact]
    public async Task Read_ReplacedByOthersWhileOpen_NeverMixesVersions()
    {
        Bucket.Put("f", "old content");
        var old = await Tree.OpenAsync("f", Tree.ReadOnly);
        Assert.Equal("old content", await Tree.ReadAsync(old));
        Bucket.Put("f", "NEW CONTENT!");
        PassTime();
        Assert.Equal("NEW CONTENT!", await Tree.ReadAsync("f"));
        Assert.Equal("old content", await Tree.ReadAsync(old));
        Tree.Files.Release(old);
    }

    [Fact]
    public async Task Read_ReplacedByOthersBeforeAnyByteCame_IsStaleAndNotTheNewBytes()
    {
        const int ESTALE = 116;
        Bucket.Put("f", "old content");
        var old = await Tree.OpenAsync("f", Tree.ReadOnly);
        Bucket.Put("f", "NEW CONTENT!");
        await FailsAsync(ESTALE, () => Tree.ReadAsync(old));
        Tree.Files.Release(old);
    }

    [Fact]
    public async Task Lookup_RemovedByOthers_IsGoneAfterASecond()
    {
        Bucket.Put("f", "text");
        Assert.True(await Tree.ExistsAsync("f"));
        Bucket.Remove("f");
        Time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.False(await Tree.ExistsAsync("f"));
    }

    /// <summary>An error here would make the kernel take the name from whoever has the file open, who could then not be dumped.</summary>
    [Fact]
    public async Task Lookup_StoreFailsAndFileIsOpen_IsWhatIsOpen()
    {
        Bucket.Put("f", "text");
        var handle = await Tree.OpenAsync("f", Tree.ReadOnly);
        var before = await Tree.StatAsync("f");
        PassTime();
        Bucket.Before = (_, key) => throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, key);
        Assert.Equal(before, await Tree.StatAsync("f"));
        Tree.Files.Release(handle);
        PassTime();
        await FailsAsync(121, () => Tree.StatAsync("f"));
    }

    [Fact]
    public async Task Write_BeforeClose_IsSeenHereAndNotInTheBucket()
    {
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, "text"u8.ToArray(), killsPrivileges: false, default);
        Assert.Equal("text", await Tree.ReadAsync("f"));
        Assert.Equal([("f", File)], await Tree.ListAsync(""));
        Assert.Empty(Bucket.Keys);
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal("text", Bucket.Text("f"));
    }

    [Fact]
    public async Task Sync_ReturnsWithTheObjectInTheBucket()
    {
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, "text"u8.ToArray(), killsPrivileges: false, default);
        await Tree.Files.SyncAsync(handle, default, default);
        Assert.Equal("text", Bucket.Text("f"));
        Tree.Files.Release(handle);
    }

    [Fact]
    public async Task Sync_SomebodyElseMadeTheObjectMeanwhile_OverwritesNothing()
    {
        var handle = await Tree.CreateAsync("f", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, "mine"u8.ToArray(), killsPrivileges: false, default);
        Bucket.Put("f", "theirs");
        await FailsAsync(Errno.EIO, () => Tree.Files.SyncAsync(handle, default, default).AsTask());
        Assert.Equal("theirs", Bucket.Text("f"));
        Tree.Files.Release(handle);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Sync_SomebodyElseReplacedOrRemovedTheOpenFile_FailsAndIsToldAtTheEnd(bool isRemoved)
    {
        Bucket.Put("f", "old");
        var handle = await Tree.OpenAsync("f", Tree.ReadWrite);
        await Tree.ReadAsync(handle);
        if (isRemoved)
        {
            Bucket.Remove("f");
        }
        else
        {
            Bucket.Put("f", "theirs");
        }

        PassTime();
        // The mount learns of it.
        Assert.Equal(!isRemoved, await Tree.ExistsAsync("f"));
        await Tree.Files.WriteAsync(handle, 0, "mine"u8.ToArray(), killsPrivileges: false, default);
        await FailsAsync(Errno.EIO, () => Tree.Files.SyncAsync(handle, default, default).AsTask());
        Tree.Files.Release(handle);
        var failure = Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
        Assert.Equal(isRemoved ? [] : ["f"], Bucket.Keys);
        await Tree.Contents.DisposeAsync();
        Assert.Equal("mine", System.IO.File.ReadAllText(failure.LocalPath));
    }

    [Fact]
    public async Task Close_SomebodyElseReplacedTheOpenFile_IsToldAtTheEnd()
    {
        Bucket.Put("f", "old");
        var handle = await Tree.OpenAsync("f", Tree.ReadWrite);
        await Tree.ReadAsync(handle);
        Bucket.Put("f", "theirs");
        PassTime();
        await Tree.StatAsync("f");
        await Tree.Files.WriteAsync(handle, 0, "mine"u8.ToArray(), killsPrivileges: false, default);
        Tree.Files.Release(handle);
        Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
        Assert.Equal("theirs", Bucket.Text("f"));
    }

    [Fact]
    public async Task Lookup_ManyNamesOfOneFolder_AreAnsweredByOneListing()
    {
        for (var i = 0; i < 500; i++)
        {
            await Tree.WriteAsync($"f{i}", "x");
        }

        await Tree.DrainAsync();
        var asked = Bucket.Calls.Count(c => c.StartsWith("Head", StringComparison.Ordinal) || c.StartsWith("List", StringComparison.Ordinal));
        Assert.InRange(asked, 1, 12);
        Assert.Equal(500, Bucket.Keys.Count);
    }

    [Fact]
    public async Task Lookup_MissedInManyFolders_IsForgottenWhenItIsNotBelievedAnyMore()
    {
        for (var i = 0; i < 20; i++)
        {
            Bucket.Put($"{i}/f", "x");
        }

        var folders = new List<ulong>();
        for (var i = 0; i < 20; i++)
        {
            folders.Add((await Tree.FindAsync($"{i}")).NodeId);
            await Tree.ExistsAsync($"{i}/none");
        }

        Assert.Equal(20, Tree.Files.MissedNames);
        Time.Advance(TimeSpan.FromSeconds(1.1));
        await Tree.ExistsAsync("0/none");
        Assert.Equal(1, Tree.Files.MissedNames);
        folders.ForEach(f => Tree.Files.Forget(f, 1));
    }

    [Fact]
    public async Task Lookup_OneNameInAFolder_CostsTwoRequestsAndThenNone()
    {
        Bucket.Put("f", new string('x', 5000));
        // As the kernel does, which keeps a name that it has looked up.
        var held = await Tree.FindAsync("f");
        await Tree.StatAsync("f");
        await Tree.StatAsync("f");
        Assert.Equal(["List f/", "Head f"], Bucket.Calls);
        Tree.Files.Forget(held.NodeId, 1);
    }

    [Fact]
    public async Task Lookup_SmallFileOfOthers_AsksOnceForTheFoldersLinks()
    {
        Bucket.Put("f", "may be a link of Fusion's");
        await Tree.StatAsync("f");
        Time.Advance(TimeSpan.FromSeconds(2));
        await Tree.StatAsync("f");
        Assert.Single(Bucket.Calls, c => c == "Get .fusion.symlinks");
    }
}
