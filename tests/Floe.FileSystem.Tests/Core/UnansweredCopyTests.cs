using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Copies and new names that the bucket has made though nobody had its answer, or nobody waited for it any more.</summary>
public sealed class UnansweredCopyTests : CoreTests
{
    private bool _mayLook = true;

    [Fact]
    public async Task Rename_AnswerToTheCopyLost_IsDone()
    {
        await MakeAsync("a", "new");
        Bucket.Put("b", "old");
        LoseAnswers("Copy", "b");
        await Tree.RenameAsync("a", "b");
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("new", await Tree.ReadAsync("b"));
    }

    [Fact]
    public async Task Rename_AnswerToTheCopyOfAFileWithOwnAttributesLost_IsDone()
    {
        Bucket.Put("a", "new");
        await Tree.ChangeAsync("a", new FuseSetAttributes { Mode = 0x1C0 });
        LoseAnswers("Copy", "b");
        await Tree.RenameAsync("a", "b");
        Assert.Equal(["b"], Bucket.Keys);
    }

    [Fact]
    public async Task Rename_KilledDuringTheCopy_IsDone()
    {
        Bucket.Put("a", "new");
        Bucket.Put("b", "old");
        using var killed = new CancellationTokenSource();
        Bucket.Before = (call, _) => Cancel(call == "Copy", killed);
        await Tree.Files.RenameAsync(1, "a", 1, "b", FuseRenameFlags.None, killed.Token);
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("new", Bucket.Text("b"));
    }

    [Fact]
    public async Task Rename_CopyOfWhichTheBucketDoesNotTell_TheNameIsAskedForAnew()
    {
        // Not told from another's: others wrote what it was made of.
        Bucket.Put("a", "new");
        Bucket.Put("b", "old");
        Assert.Equal("old", await Tree.ReadAsync("b"));
        LoseAnswers("Copy", "b");
        await FailsAsync(StoreErrno.Of(new ObjectStoreException(ObjectStoreErrorKind.Unavailable, "")), () => Tree.RenameAsync("a", "b"));
        Assert.Equal(["a", "b"], Bucket.Keys);
        Assert.Equal("new", await Tree.ReadAsync("b"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RenameFolder_OneCopyFailsWhileOthersAreUnderWay_LeavesNone(bool mayLook)
    {
        await Tree.MakeFolderAsync("d");
        for (var i = 0; i < 40; i++)
        {
            await MakeAsync($"d/{i:00}", "x");
        }

        _mayLook = mayLook;
        var failing = 0;
        Bucket.After = (call, key) =>
        {
            if (call == "Copy" && Interlocked.Increment(ref failing) > 7)
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, key);
            }
        };
        Bucket.Before = (call, key) =>
        {
            if (call == "Copy" && key.EndsWith("/20", StringComparison.Ordinal))
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, key);
            }

            if (call == "Head" && !_mayLook)
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, key);
            }

            // The end of it: the bucket answers again.
            _mayLook |= call == "List" && key == "e/" && failing > 0;
        };
        var before = Bucket.Keys;
        await Assert.ThrowsAnyAsync<ObjectStoreException>(() => Tree.RenameAsync("d", "e"));
        Assert.Equal(before, Bucket.Keys);
    }

    [Fact]
    public async Task RenameFolder_Killed_LeavesNoCopy()
    {
        for (var i = 0; i < 40; i++)
        {
            Bucket.Put($"d/{i:00}", "x");
        }

        using var killed = new CancellationTokenSource();
        Bucket.Before = (call, key) => Cancel(call == "Copy" && key.EndsWith("/20", StringComparison.Ordinal), killed);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Tree.Files.RenameAsync(1, "d", 1, "e", FuseRenameFlags.None, killed.Token).AsTask());
        Assert.DoesNotContain(Bucket.Keys, k => k.StartsWith("e/", StringComparison.Ordinal));
        Assert.Equal(40, Bucket.Keys.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RenameFolder_AnswerToTheMarkerLost_IsDoneOrLeavesNone(bool mayLook)
    {
        Bucket.Put("d/1", "x");
        LoseAnswers("Put", "e/");
        _mayLook = mayLook;
        Bucket.Before = (call, key) =>
        {
            if (call == "Head" && key == "e/" && !_mayLook)
            {
                _mayLook = true;
                throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, key);
            }
        };
        if (mayLook)
        {
            await Tree.RenameAsync("d", "e");
            Assert.Equal(["e/", "e/1"], Bucket.Keys);
        }
        else
        {
            await Assert.ThrowsAnyAsync<ObjectStoreException>(() => Tree.RenameAsync("d", "e"));
            Assert.Equal(["d/1"], Bucket.Keys);
        }
    }

    [Fact]
    public async Task MakeLink_AnswerLost_IsThereAndInTheListOfLinks()
    {
        LoseAnswers("Put", "l");
        await Tree.LinkAsync("l", "target");
        await Tree.DrainAsync();
        Assert.Equal("target", await Tree.ReadLinkAsync("l"));
        Assert.Equal("l", Bucket.Text(".fusion.symlinks").Trim());
    }

    [Fact]
    public async Task MakeLink_Killed_IsThereAndInTheListOfLinks()
    {
        using var killed = new CancellationTokenSource();
        Bucket.Before = (call, key) => Cancel(call == "Put" && key == "l", killed);
        await Tree.Files.MakeLinkAsync(1, "l", "target"u8.ToArray(), Tree.Caller, killed.Token);
        await Tree.DrainAsync();
        Assert.Equal("l", Bucket.Text(".fusion.symlinks").Trim());
    }

    [Fact]
    public async Task MakeFolder_AnswerLost_IsThere()
    {
        LoseAnswers("Put", "d/");
        await Tree.MakeFolderAsync("d");
        Assert.Equal(["d/"], Bucket.Keys);
    }

    /// <summary>A file that this mount has made.</summary>
    private async Task MakeAsync(string path, string text)
    {
        await Tree.WriteAsync(path, text);
        await Tree.DrainAsync();
    }

    private static void Cancel(bool isIt, CancellationTokenSource source)
    {
        if (isIt)
        {
            source.Cancel();
        }
    }

    private void LoseAnswers(string call, string key) => Bucket.After = (c, k) =>
    {
        if ((c, k) == (call, key))
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, k);
        }
    };
}
