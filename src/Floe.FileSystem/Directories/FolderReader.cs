using Floe.FileSystem.Inodes;

namespace Floe.FileSystem.Directories;

/// <summary>
/// One open folder: the pages of its listing, in key order, and where each begins, so that reading can go on at any entry that was given out.
/// A page and the one after it are held, whatever the folder's size; going back further fetches again.
/// </summary>
internal sealed class FolderReader(Node folder)
{
    /// <summary>Offsets of ".", ".." and what comes behind them.</summary>
    public const ulong FirstNameOffset = 2;

    private readonly List<Start> _starts = [new(FirstNameOffset, null, null, "")];

    /// <summary>Where a page begins.</summary>
    /// <param name="Token">Of the bucket's listing of a prefix; null: its start.</param>
    /// <param name="After">The last key before, the prefix taken off.</param>
    public readonly record struct Start(ulong Offset, string? Token, string? After, string Prefix);

    public Node Folder { get; } = folder;

    /// <summary>Held while entries are read.</summary>
    public SharedLock Reading { get; } = new();

    public ReadPage? Page { get; private set; }

    /// <summary>Which one that is; a page can be empty, so offsets do not tell.</summary>
    public int PageNumber { get; private set; } = -1;

    /// <summary>The page behind <see cref="Page"/>, on its way.</summary>
    public (Start Start, Task<ReadPage> Page)? Next { get; set; }

    /// <summary>Names in the folder's list of links, when the listing showed that there is one; guarded by the inode table's lock.</summary>
    public HashSet<string>? Links { get; set; }

    /// <summary>Where the page that holds an offset begins.</summary>
    public (int Number, Start Start) StartOf(ulong offset)
    {
        var number = _starts.FindLastIndex(s => s.Offset <= offset);
        return (number, _starts[number]);
    }

    /// <summary>Takes a page in, and notes where the next one begins.</summary>
    public void Enter(int number, ReadPage page)
    {
        Page = page;
        PageNumber = number;
        if (number == _starts.Count - 1 && page.Next is { } next)
        {
            _starts.Add(next);
        }
    }

    /// <summary>From the start: what changed since is seen.</summary>
    public void Rewind()
    {
        Page = null;
        PageNumber = -1;
        Next = null;
        Links = null;
        _starts.RemoveRange(1, _starts.Count - 1);
    }
}

/// <param name="Offset">Of its first name.</param>
/// <param name="Names">What the bucket lists and what only this mount has, in key order.</param>
/// <param name="Next">The page behind it; null: it is the last.</param>
internal sealed record ReadPage(ulong Offset, IReadOnlyList<ListedName> Names, FolderReader.Start? Next)
{
    /// <summary>Timestamp until which it counts; a node that is known for longer was asked for later.</summary>
    public long ValidUntil { get; init; }

    /// <summary>What happened to its names since it was asked for; null where the names are not the bucket's.</summary>
    public NameWatch? Watch { get; init; }
}
