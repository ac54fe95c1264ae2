using Floe.FileSystem.Inodes;
using Floe.FileSystem.Moving;
using Floe.FileSystem.Names;

namespace Floe.FileSystem.Directories;

/// <summary>
/// One open folder: the pages of its listing, in key order, and where each begins, so that reading can go on at any entry that was given out.
/// A page and those before and after it are held, whatever the folder's size, and the keys of the last answer, since its reader may have taken a
/// part of it. Going back further fetches the page again, and counts from its start.
/// </summary>
/// <param name="carried">Where listings of this folder were when the task was frozen: a folder that it had open is read on there.</param>
internal sealed class FolderReader(Node folder, IReadOnlyList<ListingState> carried)
{
    /// <summary>Offsets of ".", ".." and what comes behind them.</summary>
    public const ulong FirstNameOffset = 2;

    private const int MaxHeld = 2;

    private readonly List<Start> _starts = [new(FirstNameOffset, null, null, "")];

    // One behind the other.
    private readonly List<ReadPage> _held = [];

    /// <summary>Where a page begins.</summary>
    /// <param name="Token">Of the bucket's listing of a prefix; null: it goes on behind the key before.</param>
    /// <param name="After">The last key before, the prefix taken off; null: none.</param>
    public readonly record struct Start(ulong Offset, string? Token, string? After, string Prefix);

    public Node Folder { get; } = folder;

    /// <summary>What came with the task and was not read on from yet, or may be once more.</summary>
    public IReadOnlyList<ListingState> Carried { get; private set; } = carried;

    /// <summary>Held while entries are read.</summary>
    public SharedLock Reading { get; } = new();

    /// <summary>The page behind the last one that is held, on its way.</summary>
    public (Start Start, Task<ReadPage> Page)? Next { get; set; }

    /// <summary>The last answer; null: there was none.</summary>
    public FolderAnswer? Given { get; set; }

    /// <summary>Names in the folder's list of links, when the listing showed that there is one; guarded by the inode table's lock.</summary>
    public HashSet<string>? Links { get; set; }

    /// <summary>The page that holds an offset, or ends at it, if it is at hand.</summary>
    public ReadPage? Held(ulong offset) => _held.FindLast(p => p.Offset <= offset && (offset <= p.End || p.Next is null));

    /// <summary>The page behind one that is held, if it is held too.</summary>
    public ReadPage? HeldBehind(ReadPage page) => _held.IndexOf(page) is >= 0 and var at && at + 1 < _held.Count ? _held[at + 1] : null;

    /// <summary>Where to begin for an offset that no held page has: there, if the key before it is known; else at the start of its page.</summary>
    public Start StartOf(ulong offset) => KeyBefore(offset) is { } key ? new Start(offset, null, key, "") : _starts.FindLast(s => s.Offset <= offset);

    /// <summary>Takes a page in, and notes where the next one begins. What was known of offsets behind it was of other pages.</summary>
    public void Enter(ReadPage page)
    {
        if (_held.Count > 0 && _held[^1].Next != page.Start)
        {
            _held.Clear();
        }

        if (_held.Count == MaxHeld)
        {
            _held.RemoveAt(0);
        }

        _held.Add(page);
        var known = _starts.IndexOf(page.Start);
        if (known >= 0)
        {
            _starts.RemoveRange(known + 1, _starts.Count - known - 1);
        }
        else
        {
            _starts.RemoveAll(s => s.Offset > page.Offset);
            _starts.Add(page.Start);
        }

        if (page.Next is { } next)
        {
            _starts.Add(next);
        }
    }

    /// <summary>From the start: what changed since is seen.</summary>
    public void Rewind()
    {
        _held.Clear();
        _starts.RemoveRange(1, _starts.Count - 1);
        Next = null;
        Given = null;
        Carried = [];
        Links = null;
    }

    /// <summary>
    /// Of several listings that were at one offset, the key that comes first: the others give some names twice, and none misses one.
    /// </summary>
    private string? KeyBefore(ulong offset) =>
        Given?.KeyBefore(offset) ?? Carried.Select(l => l.KeyBefore(offset)).OfType<string>().Order(Comparer<string>.Create(NameRules.Compare)).FirstOrDefault();
}

/// <param name="Names">What the bucket lists and what only this mount has, in key order.</param>
/// <param name="Next">The page behind it; null: it is the last.</param>
internal sealed record ReadPage(FolderReader.Start Start, IReadOnlyList<ListedName> Names, FolderReader.Start? Next)
{
    /// <summary>Of its first name.</summary>
    public ulong Offset => Start.Offset;

    /// <summary>Behind its last name.</summary>
    public ulong End => Start.Offset + (ulong)Names.Count;

    /// <summary>Timestamp until which it counts; a node that is known for longer was asked for later.</summary>
    public long ValidUntil { get; init; }

    /// <summary>What happened to its names since it was asked for; null where the names are not the bucket's.</summary>
    public NameWatch? Watch { get; init; }

    /// <summary>The key behind which an offset of this page, or its end, is; null: none.</summary>
    public string? KeyBefore(ulong offset) => offset == Offset ? Start.After : Names[(int)(offset - Offset) - 1].Key;
}

/// <summary>The keys that one answer gave out. Never changed: a snapshot may look at it at any time.</summary>
/// <param name="Keys">The key before the offset, and before each that follows; null: the folder's start.</param>
internal sealed record FolderAnswer(ulong Offset, IReadOnlyList<string?> Keys)
{
    public string? KeyBefore(ulong offset) => offset >= Offset && offset - Offset < (ulong)Keys.Count ? Keys[(int)(offset - Offset)] : null;
}
