using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A mount that shows every bucket.</summary>
public sealed class BucketListTests : CoreTests
{
    protected override FileSystemOptions Options => new();

    [Fact]
    public async Task List_EveryBucket_NamesThoseThatNobodyLookedUp()
    {
        Bucket.Put("f", "text");
        Assert.Equal(["s3"], (await Tree.ListAsync("")).Select(e => e.Name));
        Assert.Equal([(Tree.Bucket, Folder), ("other", Folder)], await Tree.ListAsync("s3", takesEntries: true));
        Assert.Equal("text", await Tree.ReadAsync($"s3/{Tree.Bucket}/f"));
        Assert.Equal([(Tree.Bucket, Folder), ("other", Folder)], await Tree.ListAsync("s3", takesEntries: true));
    }

    [Fact]
    public async Task List_ServiceDoesNotAnswer_IsAnErrorAndNotTheNamesThatAreKnown()
    {
        const int EREMOTEIO = 121;
        await Tree.FindAsync($"s3/{Tree.Bucket}");
        Service.ListFault = ObjectStoreErrorKind.Unavailable;
        await FailsAsync(EREMOTEIO, () => Tree.ListAsync("s3"));
        Service.ListFault = ObjectStoreErrorKind.Unsupported;
        Assert.Equal([Tree.Bucket], (await Tree.ListAsync("s3")).Select(e => e.Name));
    }

    /// <summary>Some services, and AWS of old, have buckets with names that S3 does not allow any more.</summary>
    [Fact]
    public async Task List_NamesThatNoLookupFinds_AreLeftOut()
    {
        Service.Add("Upper");
        Assert.Equal([Tree.Bucket, "other"], (await Tree.ListAsync("s3", takesEntries: true)).Select(e => e.Name));
    }

    [Fact]
    public async Task List_MovedInTheMiddle_GoesOnBehindTheNameThatWasGivenLast()
    {
        Service.Add("aaa");
        Service.Add($"{Tree.Bucket}-2");
        string[] all = ["aaa", $"{Tree.Bucket}-2", Tree.Bucket, "other"];
        var whole = (await Tree.ListAsync("s3")).Select(e => e.Name).ToList();
        Assert.Equal(all.Order(), whole.Order());
        var answer = new Tree.ListBuffer(4, takesEntries: false);
        await Tree.Files.ReadFolderAsync(Tree.Files.OpenFolder((await Tree.FindAsync("s3")).NodeId), 0, answer, default);
        var given = answer.Entries.Select(e => e.Name).Where(n => n is not ("." or "..")).ToList();
        Assert.Equal(2, given.Count);
        await using var next = await MovedAsync();
        var again = next.Files.OpenFolder((await next.FindAsync("s3")).NodeId);
        next.Files.IsBeingRestored = false;
        Service.Add("aab");
        var rest = new Tree.ListBuffer(100, takesEntries: false);
        await next.Files.ReadFolderAsync(again, answer.Entries[^1].Next, rest, default);
        Assert.Equal(all.Except(given).Order(), rest.Entries.Select(e => e.Name).Order());
    }
}
