using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Objects that no single request copies, where nobody may read tags.</summary>
public sealed class TaglessCopyTests : CoreTests
{
    protected override FileSystemOptions Options => base.Options with { MaxSingleCopyBytes = 10, MaxCopyBytes = 10, CopyPartBytes = 8 };

    [Theory]
    [InlineData(ObjectStoreErrorKind.AccessDenied)]
    [InlineData(ObjectStoreErrorKind.Unsupported)]
    public async Task Rename_TagsOfALargeObjectCannotBeRead_GoesOnWithoutThem(ObjectStoreErrorKind kind)
    {
        Bucket.MaxUnrangedCopySource = 0;
        Bucket.Put("a", "twenty bytes of text");
        Bucket.Before = (call, key) =>
        {
            if (call == "GetTags")
            {
                throw new ObjectStoreException(kind, key);
            }
        };
        await Tree.RenameAsync("a", "b");
        Assert.Equal(["b"], Bucket.Keys);
        Assert.Equal("twenty bytes of text", Bucket.Text("b"));
    }
}
