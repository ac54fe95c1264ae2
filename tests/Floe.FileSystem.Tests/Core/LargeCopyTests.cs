using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Objects above the limit of one copy.</summary>
public sealed class LargeCopyTests : CoreTests
{
    public LargeCopyTests() => Bucket.MaxUnrangedCopySource = 0;

    protected override FileSystemOptions Options => base.Options with { MaxSingleCopyBytes = 10, CopyPartBytes = 4 };

    [Theory]
    [InlineData(ObjectStoreErrorKind.AccessDenied)]
    [InlineData(ObjectStoreErrorKind.Unsupported)]
    public async Task Rename_TagsCannotBeRead_IsCopiedInOneRequest(ObjectStoreErrorKind kind)
    {
        Bucket.Put("a", "0123456789ABC", new ObjectHeaders { Metadata = new Dictionary<string, string> { ["theirs"] = "kept" }, Tags = [new("t", "v")] });
        Bucket.Before = (call, _) =>
        {
            if (call == "GetTags")
            {
                throw new ObjectStoreException(kind, "no tags for you");
            }
        };
        await Tree.RenameAsync("a", "b");
        Assert.Equal("0123456789ABC", Bucket.Text("b"));
        Assert.Equal("kept", Bucket.Headers("b").Metadata["theirs"]);
        Assert.Equal("v", Bucket.Headers("b").Tags.Single().Value);
        Assert.Equal(["b"], Bucket.Keys);
    }

    [Fact]
    public async Task Rename_AboveTheLimitOfOneCopy_IsCopiedInParts()
    {
        Bucket.Put("a", "0123456789ABC", new ObjectHeaders { Metadata = new Dictionary<string, string> { ["theirs"] = "kept" }, Tags = [new("t", "v")] });
        await Tree.RenameAsync("a", "b");
        Assert.Equal("0123456789ABC", Bucket.Text("b"));
        Assert.Equal("kept", Bucket.Headers("b").Metadata["theirs"]);
        Assert.Equal("v", Bucket.Headers("b").Tags.Single().Value);
        Assert.Equal(4, Bucket.Calls.Count(c => c == "CopyPart b"));
        Assert.Equal(0, Bucket.OpenUploads);
        Assert.Equal(["b"], Bucket.Keys);
    }

    [Fact]
    public async Task Rename_InPartsAndSomebodyElseMakesTheNameMeanwhile_OverwritesNothing()
    {
        Bucket.Put("a", "0123456789ABC");
        Bucket.Before = (call, _) =>
        {
            if (call == "CompleteUpload")
            {
                Bucket.Put("b", "theirs");
            }
        };
        await FailsAsync(116, () => Tree.RenameAsync("a", "b"));
        Assert.Equal("theirs", Bucket.Text("b"));
        Assert.Equal("0123456789ABC", Bucket.Text("a"));
        Assert.Equal(0, Bucket.OpenUploads);
    }
    [Fact]
    public async Task Rename_KilledWhileTheUploadBegins_LeavesNone()
    {
        Bucket.Put("a", "0123456789ABC");
        using var killed = new CancellationTokenSource();
        Bucket.Before = (call, _) =>
        {
            if (call == "CreateUpload")
            {
                killed.Cancel();
            }
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Tree.Files.RenameAsync(1, "a", 1, "b", FuseRenameFlags.None, killed.Token).AsTask());
        Assert.Equal(["a"], Bucket.Keys);
        Assert.Equal(0, Bucket.OpenUploads);
    }

    [Fact]
    public async Task Rename_OnePartFailsWhileOthersAreCopied_AbortsWhenTheyHaveEnded()
    {
        Bucket.Put("a", "0123456789ABC");
        var (hasBegun, mayEnd) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        Bucket.Copying = async number =>
        {
            if (number == 1)
            {
                await hasBegun.Task;
                throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, "no");
            }

            hasBegun.TrySetResult();
            await mayEnd.Task;
        };
        var renaming = Tree.RenameAsync("a", "b");
        await hasBegun.Task;
        await Task.WhenAny(renaming, Task.Delay(200, TestContext.Current.CancellationToken));
        Assert.DoesNotContain("AbortUpload b", Bucket.CallsSoFar);
        mayEnd.SetResult();
        await FailsAsync(Errno.EACCES, () => renaming);
        Assert.Equal(0, Bucket.OpenUploads);
    }

    [Fact]
    public async Task Rename_AbortFailsToo_TellsOfTheFirstFailure()
    {
        Bucket.Put("a", "0123456789ABC");
        Bucket.Before = (call, key) =>
        {
            if (call is "CopyPart" or "AbortUpload")
            {
                throw new ObjectStoreException(call == "CopyPart" ? ObjectStoreErrorKind.AccessDenied : ObjectStoreErrorKind.Unavailable, key);
            }
        };
        await FailsAsync(Errno.EACCES, () => Tree.RenameAsync("a", "b"));
    }

    [Fact]
    public async Task Rename_AnswerToTheCompletionLost_IsDone()
    {
        Bucket.Put("a", "0123456789ABC");
        Bucket.Completed = key => throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, key);
        await Tree.RenameAsync("a", "b");
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("0123456789ABC", await Tree.ReadAsync("b"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Rename_InPartsAndSomebodyElseReplacesTheObjectMeanwhile_MakesNoMixture(bool copiesAsAws)
    {
        Bucket.CopiesAsAws = copiesAsAws;
        Bucket.Put("a", "0123456789ABC");
        Bucket.Before = (call, _) =>
        {
            if (call == "CopyPart" && Bucket.Text("a") == "0123456789ABC" && Bucket.CallsSoFar.Count(c => c == "CopyPart b") > 2)
            {
                Bucket.Put("a", "their-content");
            }
        };
        await FailsAsync(116, () => Tree.RenameAsync("a", "b"));
        Assert.Equal(["a"], Bucket.Keys);
        Assert.Equal("their-content", Bucket.Text("a"));
        Assert.Equal(0, Bucket.OpenUploads);
    }
}
