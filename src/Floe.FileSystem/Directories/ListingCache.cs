namespace Floe.FileSystem.Directories;

/// <summary>
/// Which folders have complete listings in memory, so that none stays there for longer than it is believed, or when all have too many names together.
/// Guarded by the inode table's lock.
/// </summary>
/// <param name="maxNames">Above, the oldest listings go; the newest stays whatever it holds.</param>
internal sealed class ListingCache(int maxNames)
{
    private readonly Queue<(FolderState Folder, FolderListing Listing, int Names)> _held = new();
    private int _names;

    /// <summary>Gives a folder its listing, and takes the old ones of others away. All listings are believed for the same time.</summary>
    public void Keep(FolderState folder, FolderListing listing, long now)
    {
        folder.Listing = listing;
        _held.Enqueue((folder, listing, listing.Names.Count));
        _names += listing.Names.Count;
        while (_held.Peek() is var oldest && _held.Count > 1 && (oldest.Listing.ValidUntil <= now || _names > maxNames))
        {
            _held.Dequeue();
            _names -= oldest.Names;
            if (ReferenceEquals(oldest.Folder.Listing, oldest.Listing))
            {
                oldest.Folder.Listing = null;
            }
        }
    }
}
