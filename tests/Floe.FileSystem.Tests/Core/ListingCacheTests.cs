using Floe.FileSystem.Directories;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>What listings stay in memory.</summary>
public sealed class ListingCacheTests
{
    private readonly ListingCache _cache = new(maxNames: 10);
    private readonly FolderState _first = new();
    private readonly FolderState _second = new();

    [Fact]
    public void Keep_AnotherHasExpired_DropsThat()
    {
        _cache.Keep(_first, Listing(3, validUntil: 100), now: 0);
        _cache.Keep(_second, Listing(3, validUntil: 200), now: 99);
        Assert.NotNull(_first.Listing);
        _cache.Keep(_second, Listing(3, validUntil: 201), now: 100);
        Assert.Null(_first.Listing);
        Assert.NotNull(_second.Listing);
    }

    [Fact]
    public void Keep_TooManyNamesTogether_DropsTheOldest()
    {
        _cache.Keep(_first, Listing(6, validUntil: 100), now: 0);
        _cache.Keep(_second, Listing(6, validUntil: 100), now: 0);
        Assert.Null(_first.Listing);
        Assert.Equal(6, _second.Listing?.Names.Count);
    }

    [Fact]
    public void Keep_OneAboveTheLimit_IsKept()
    {
        _cache.Keep(_first, Listing(11, validUntil: 100), now: 0);
        Assert.NotNull(_first.Listing);
    }

    [Fact]
    public void Keep_FolderListedAnew_KeepsTheNewOne()
    {
        _cache.Keep(_first, Listing(6, validUntil: 100), now: 0);
        var anew = Listing(6, validUntil: 150);
        _cache.Keep(_first, anew, now: 100);
        Assert.Same(anew, _first.Listing);
    }

    private static FolderListing Listing(int names, long validUntil) => new(
        Enumerable.Range(0, names).ToDictionary(i => $"{i}", i => new ListedName($"{i}", IsFolder: false, null)), validUntil);
}
