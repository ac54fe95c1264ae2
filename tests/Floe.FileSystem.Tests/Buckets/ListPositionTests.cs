using Floe.S3;
using Floe.S3.Buckets;
using Xunit;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>Listings of a service that does not go on to the next page.</summary>
public sealed class ListPositionTests
{
    [Fact]
    public void Behind_PagesInOrder_GoesOnWithTheServicesToken()
    {
        var first = ListPosition.Parse(null).Behind(Page("t1", ["p/a", "p/c"], ["p/b/", "p/\uff5e/"]), "p/");
        var again = ListPosition.Parse(first.ToString());
        Assert.Equal(("t1", "p/\uff5e/"), (again.Token, again.Last));
        Assert.Null(again.Behind(Page(null, ["p/\U0001F600"], []), "p/").Token);
    }

    [Theory]
    [InlineData("t2", "p/c")]
    [InlineData("t2", "p/a")]
    [InlineData("t1", "p/d")]
    [InlineData("t2", "q")]
    public void Behind_PageIsRepeatedOrBefore_IsRefused(string token, string key)
    {
        var first = ListPosition.Parse(null).Behind(Page("t1", ["p/a"], ["p/c"]), "p/");
        Assert.Throws<S3Fault>(() => first.Behind(Page(token, [key], []), "p/"));
        Assert.Throws<S3Fault>(() => first.Behind(Page(token, [], [key]), "p/"));
    }

    [Fact]
    public void Behind_KeysOfAPageInAnyOrder_IsRefused() =>
        Assert.Throws<S3Fault>(() => ListPosition.Parse(null).Behind(Page(null, ["p/b", "p/a"], []), "p/"));

    [Fact]
    public void Behind_EmptyPagesWithoutEnd_IsRefused()
    {
        Assert.Throws<S3Fault>(ListAll);

        static void ListAll()
        {
            var position = ListPosition.Parse(null);
            for (var i = 0; ; i++)
            {
                position = position.Behind(Page($"t{i % 2}", [], []), "");
            }
        }
    }

    private static S3ListPage Page(string? token, string[] keys, List<string> folders) =>
        new([.. keys.Select(k => (k, 1L, "\"e\"", DateTimeOffset.UnixEpoch))], folders, token);
}
