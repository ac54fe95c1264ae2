using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Names;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>Listing a folder as a whole, where many names of it are looked up.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>What lies above the buckets: of those, the account's and the ones that were looked up, which may be others'.</summary>
    private async Task<ReadPage> BucketsAsync(Node folder, FolderReader.Start start, CancellationToken cancellationToken)
    {
        IEnumerable<string> names = [];
        if (folder != _inodes.Root)
        {
            try
            {
                names = (await _buckets.ListBucketsAsync(cancellationToken).ConfigureAwait(false)).Select(b => b.Name)
                    .Where(IsBucketName);
            }
            catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.AccessDenied or ObjectStoreErrorKind.Unsupported)
            {
                // Whoever may not list them can have them by their names.
            }
        }

        lock (Gate)
        {
            var listed = names.Union(folder.Folder!.Children.Keys).Select(name => new ListedName(name, IsFolder: true, null));
            return new ReadPage(start, [.. listed.Where(n => start.After is not { } after || NameRules.Compare(n.Key, after) > 0).OrderBy(n => n.Key, StringComparer.Ordinal)], null);
        }
    }

    /// <summary>Services have others too, which no lookup finds.</summary>
    private static bool IsBucketName(string name) => StoreUrl.TryParse($"s3://{name}", out _)?.Container == name;

    /// <summary>Of all listings under way together, at some 450 KiB each. Who finds no room asks for one name.</summary>
    private const int MaxPagesUnderWay = 64;

    private static readonly TimeSpan s_tooLargePause = TimeSpan.FromSeconds(30);

    private int _pagesUnderWay;

    /// <summary>
    /// All names of a folder, to be looked at under the lock; null: they do not fit the pages, or the answer does not count for who asks now. One
    /// listing of a folder is under way at a time, and is for all who ask within the time for which it is believed, however long it takes.
    /// </summary>
    private Task<FolderListing?> ListWholeAsync(Node folder, IBucketClient bucket, string prefix, int pages, CancellationToken cancellationToken)
    {
        var state = folder.Folder!;
        lock (Gate)
        {
            if (state.UnderWay is null && _pagesUnderWay + pages <= MaxPagesUnderWay)
            {
                var validUntil = After(_options.FileTtl);
                _pagesUnderWay += pages;
                state.UnderWay = (ListAsync(state, bucket, prefix, pages, validUntil), validUntil);
            }

            // Who gives up waiting does not end it for the others.
            return state.UnderWay is { } underWay && underWay.ValidUntil > Now ? underWay.Listing.WaitAsync(cancellationToken) : Task.FromResult<FolderListing?>(null);
        }
    }

    /// <summary>Begun under the lock. Null: see above.</summary>
    private async Task<FolderListing?> ListAsync(FolderState state, IBucketClient bucket, string prefix, int pages, long validUntil)
    {
        var changes = state.Watch();
        await Task.Yield();
        FolderListing? listing = null;
        var isTooLarge = false;
        try
        {
            var names = await NamesAsync(bucket, prefix, pages).ConfigureAwait(false);
            isTooLarge = names is null;
            listing = names is null ? null : new FolderListing(names, validUntil);
        }
        finally
        {
            lock (Gate)
            {
                if (isTooLarge || (listing is not null && validUntil <= Now))
                {
                    // What takes longer than it is believed answers too few.
                    state.TooLargeForPages = pages;
                    state.TooLargeUntil = After(s_tooLargePause);
                }

                // What this mount changed meanwhile may be in the answer or not.
                changes.ForEach(change => listing?.Note(change));
                if (!changes.TrueForAll(c => c.IsThere is not null))
                {
                    listing = null;
                }
                else if (listing is not null)
                {
                    _listings.Keep(state, listing, Now);
                }

                state.Unwatch(changes);
                state.UnderWay = null;
                _pagesUnderWay -= pages;
            }
        }

        return listing;
    }

    /// <summary>All names below a prefix; null: they do not fit the pages.</summary>
    private async Task<Dictionary<string, ListedName>?> NamesAsync(IBucketClient bucket, string prefix, int pages)
    {
        var names = new Dictionary<string, ListedName>(StringComparer.Ordinal);
        string? token = null;
        for (var page = 0; page < pages; page++)
        {
            var answer = await bucket.ListAsync(prefix, "/", token, _options.PageEntries, CancellationToken.None).ConfigureAwait(false);
            foreach (var listed in ListedNames.Of(prefix, answer))
            {
                if (listed.IsFolder || !names.TryGetValue(listed.Name, out var other) || !other.IsFolder)
                {
                    names[listed.Name] = listed;
                }
            }

            if ((token = answer.NextToken) is null)
            {
                return names;
            }
        }

        return null;
    }
}
