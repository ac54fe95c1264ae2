using Floe.FileSystem.Inodes;
using Floe.FileSystem.Moving;

namespace Floe.FileSystem.Operations;

/// <summary>
/// Listings that are under way at a snapshot. CRIU opens the folder anew and sets its offset, which is a count of names and means nothing to another
/// mount, least of all when names went since: so the state has, for each offset that the reader may be at, the key behind which it is.
/// </summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>By the folders' paths, until the task is restored. The lock guards it.</summary>
    private ILookup<string, ListingState> _carriedListings = Array.Empty<ListingState>().ToLookup(l => l.Path);

    /// <summary>The lock is held.</summary>
    private IReadOnlyList<ListingState> CarriedOf(Node folder) =>
        _carriedListings.Count > 0 && IsOrHolds(_inodes.Root, folder) ? [.. _carriedListings[PathOf(folder)]] : [];

    /// <summary>The lock is held.</summary>
    private List<ListingState> CaptureListings()
    {
        List<ListingState> listings = [];
        foreach (var reader in _folders.Values.Where(r => IsOrHolds(_inodes.Root, r.Folder)))
        {
            var path = PathOf(reader.Folder);
            if (reader.Given is { } given)
            {
                var keys = given.Keys.SkipWhile(string.IsNullOrEmpty).OfType<string>().ToList();
                listings.Add(new ListingState { Path = path, Offset = given.Offset + (ulong)(given.Keys.Count - keys.Count), Keys = keys });
            }
            else
            {
                // It was not read on since the task came.
                listings.AddRange(reader.Carried.Select(listing => listing with { Path = path }));
            }
        }

        return [.. listings.Where(listing => listing.Keys.Count > 0).Distinct()];
    }
}
