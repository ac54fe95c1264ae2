using Floe.FileSystem.Operations;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>The list of a renamed folder's objects, beside listings that have changed since.</summary>
public sealed class MovedObjectsTests
{
    [Fact]
    public void Pass_ListingsThatHaveChangedSince_HoldsWhatWasCopiedAsItWas()
    {
        using var scratch = new ScratchFolder();
        using var moved = new MovedObjects([], "d/", "e/", System.IO.File.OpenHandle(scratch["list"], FileMode.CreateNew, FileAccess.ReadWrite));
        // In UTF-8 byte order, which is not that of .NET's strings: the last two are the other way round there.
        List<string> names = ["", .. Enumerable.Range(0, 3000).Select(i => $"{i:0000}{new string('x', i % 900)}"), "\uff5e", "\U0001F600"];
        List<MovedObjects.Item> items = [];
        foreach (var page in names.Chunk(1000))
        {
            items.AddRange(moved.Note([.. page.Select(n => Version("d/" + n, "old"))]));
        }

        // In any order, and one copy is not made.
        foreach (var item in items.Where(i => i.Version.Key != "d/0005xxxxx").Reverse())
        {
            moved.Add(item, Version("e/" + item.Version.Key[2..], "copy"));
        }

        Assert.True(moved.HasMarker);
        var originals = moved.Originals();
        Assert.True(originals.Holds(Version("d/", "old")));
        Assert.False(originals.Holds(Version("d/000", "old")));
        Assert.True(originals.Holds(Version("d/0000", "old")));
        Assert.False(originals.Holds(Version("d/0002xx", "theirs")));
        Assert.False(originals.Holds(Version("d/0005xxxxx", "old")));
        Assert.True(originals.Holds(Version(items[2990].Version.Key, "old")));
        Assert.True(originals.Holds(Version("d/\uff5e", "old")));
        Assert.True(originals.Holds(Version("d/\U0001F600", "old")));
        Assert.False(originals.Holds(Version("d/\U0001F601", "old")));
        var copies = moved.Copies();
        Assert.Equal(names.Where(n => n != "0005xxxxx"), names.Where(n => copies.Holds(Version("e/" + n, "copy"))));
    }

    private static ObjectVersion Version(string key, string etag) => new("bucket", key, new ETag($"\"{etag}\""), 1);
}
