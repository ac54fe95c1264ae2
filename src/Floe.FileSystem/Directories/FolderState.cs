using Floe.FileSystem.Inodes;
using Floe.FileSystem.Names;

namespace Floe.FileSystem.Directories;

/// <summary>What a mount knows of a folder. Guarded by the inode table's lock, but for <see cref="Changing"/>.</summary>
internal sealed class FolderState
{
    private List<List<NameChange>>? _watches;

    // Held by their pages: whoever lets go of a page need not tell.
    private List<WeakReference<NameWatch>>? _pageWatches;

    /// <summary>The bucket; null for folders above buckets.</summary>
    public string? Bucket { get; init; }

    /// <summary>Whether it stands for keys of a bucket.</summary>
    public bool IsInBucket => Bucket is not null;

    /// <summary>Set for the folder whose keys have no longer prefix by their place in the mount: a bucket's root, or the mount's.</summary>
    public string? RootPrefix { get; init; }

    /// <summary>A new name that is about to be made: it is not there before that is done, whatever the bucket says. Null: none.</summary>
    public string? Arriving { get; set; }

    public Dictionary<string, Node> Children { get; } = new(StringComparer.Ordinal);

    /// <summary>Names that the bucket did not have, and until when that is believed.</summary>
    public Dictionary<string, long> Missing { get; } = new(StringComparer.Ordinal);

    /// <summary>Counts changes of names by this mount, so that an answer of the bucket that is older than one of them is seen.</summary>
    public long Changes { get; private set; }

    /// <summary>Counts how often its keys became others, with its own name or that of a folder above it.</summary>
    public long Moves { get; private set; }

    /// <summary>Here whatever the bucket says: above buckets, or a root.</summary>
    public bool IsPinned { get; init; }

    /// <summary>The bucket has the object that stands for this folder (its key ends in '/').</summary>
    public bool HasMarker { get; set; }

    /// <summary>All names of a folder that fits one page, and until when that is believed; null: not known.</summary>
    public FolderListing? Listing { get; set; }

    /// <summary>A listing of all names that is on its way, and until when that will be believed.</summary>
    public (Task<FolderListing?> Listing, long ValidUntil)? UnderWay { get; set; }

    /// <summary>Lookups that had to ask, and since when they are counted: many are better answered by one listing.</summary>
    public int Asked { get; set; }

    public long AskedSince { get; set; }

    /// <summary>It did not fit so many pages, or they took longer than they are believed, and until <see cref="TooLargeUntil"/> it is not tried again to list it as a whole in so many.</summary>
    public int TooLargeForPages { get; set; }

    public long TooLargeUntil { get; set; }

    /// <summary>Names that the bucket's <see cref="LinkList"/> holds, and until when that is believed.</summary>
    public HashSet<string>? Links { get; set; }

    public long LinksUntil { get; set; }

    /// <summary>Held while that is read; null: it never was.</summary>
    public SharedLock? ReadingLinks { get; set; }

    /// <summary>Held while a name in this folder is made, removed or renamed.</summary>
    public SharedLock Changing { get; } = new();

    /// <summary>Notes that this mount made, removed or put in doubt a name.</summary>
    public void NoteChange(NameChange change)
    {
        Changes++;
        _watches?.ForEach(w => w.Add(change));
        _pageWatches?.RemoveAll(reference =>
        {
            if (!reference.TryGetTarget(out var watch))
            {
                return true;
            }

            watch.Note(change);
            return false;
        });
    }

    /// <summary>Its keys are others now: what the bucket says of the old ones does not count, for any name.</summary>
    public void NoteMove()
    {
        Moves++;
        NoteChange(new NameChange(NameChange.Every, IsThere: null));
        Listing = null;
        Links = null;
    }

    /// <summary>The same for a page of the folder's listing, as long as the page is held.</summary>
    public NameWatch WatchPage()
    {
        const int Many = 16;
        var watch = new NameWatch();
        _pageWatches ??= [];
        if (_pageWatches.Count >= Many)
        {
            _pageWatches.RemoveAll(static reference => !reference.TryGetTarget(out _));
        }

        _pageWatches.Add(new WeakReference<NameWatch>(watch));
        return watch;
    }

    /// <summary>Collects the changes from now on, while the bucket is asked; until <see cref="Unwatch"/>.</summary>
    public List<NameChange> Watch()
    {
        List<NameChange> watch = [];
        (_watches ??= []).Add(watch);
        return watch;
    }

    public void Unwatch(List<NameChange> watch) => _watches!.RemoveAll(w => ReferenceEquals(w, watch));
}

/// <param name="IsThere">Null: nobody knows.</param>
internal readonly record struct NameChange(string Name, bool? IsThere, bool IsFolder = false)
{
    /// <summary>No file's name: all of the folder's.</summary>
    public const string Every = "";

    public bool Concerns(string name) => Name == name || Name == Every;
}

/// <summary>A complete listing of a folder, kept in step with what this mount changes.</summary>
internal sealed record FolderListing(Dictionary<string, ListedName> Names, long ValidUntil)
{
    public void Note(NameChange change)
    {
        if (change.IsThere == true)
        {
            Names[change.Name] = new ListedName(change.Name, change.IsFolder, null);
        }
        else if (change.IsThere == false)
        {
            Names.Remove(change.Name);
        }
    }
}
