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
}
