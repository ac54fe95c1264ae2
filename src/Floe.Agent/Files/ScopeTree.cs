namespace Floe.Agent.Files;

internal enum ScopeMark
{
    /// <summary>As the directory above.</summary>
    Inherited,

    /// <summary>In scope from here down, even when it is a mount of its own.</summary>
    Root,

    /// <summary>Out of scope from here down.</summary>
    Excluded,
}

/// <summary>A marked path, or one on the way to it.</summary>
internal sealed class ScopeNode
{
    private readonly SortedList<byte[], ScopeNode> _children = new(Comparer<byte[]>.Create(static (a, b) => a.AsSpan().SequenceCompareTo(b)));

    private readonly List<(byte[] Names, ScopeNode Node)> _ownNames = [];

    public ScopeMark Mark { get; set; }

    /// <summary>Why it is excluded, for messages.</summary>
    public string Reason { get; set; } = "";

    /// <summary>Excluded because nobody said anything of it, and not because somebody did, or it is no place for files.</summary>
    public bool IsUnnamed { get; set; }

    /// <summary>Whether a root lies below, which is reached through this directory even if it is excluded itself.</summary>
    public bool HasRootBelow { get; private set; }

    /// <summary>A directory that the agent uses for what is excluded by name, and perhaps the task for other things.</summary>
    public bool IsAgentFolder => _ownNames.Count > 0;

    /// <summary>Sorted by name.</summary>
    public IList<byte[]> ChildNames => _children.Keys;

    public IList<ScopeNode> Children => _children.Values;

    public ScopeNode? Find(ReadOnlySpan<byte> name)
    {
        // A handful at most: mounts and named directories.
        foreach (var (key, node) in _children)
        {
            if (name.SequenceEqual(key))
            {
                return node;
            }
        }

        foreach (var (names, own) in _ownNames)
        {
            if (Matches(name, names))
            {
                return own;
            }
        }

        return null;
    }

    /// <summary>Excludes all names of a form, those to come too. To be called when all paths are marked.</summary>
    /// <param name="names">A # stands for a hexadecimal digit.</param>
    public void ExcludeNames(byte[] names, string reason)
    {
        _ownNames.Add((names, new ScopeNode { Mark = ScopeMark.Excluded, Reason = reason }));
        foreach (var (name, node) in _children)
        {
            // Made for what lies below it, a mount perhaps.
            if (Matches(name, names))
            {
                node.Mark = ScopeMark.Excluded;
                node.Reason = reason;
                node.IsUnnamed = false;
            }
        }
    }

    private static bool Matches(ReadOnlySpan<byte> name, byte[] form)
    {
        if (name.Length != form.Length)
        {
            return false;
        }

        for (var i = 0; i < form.Length; i++)
        {
            if (form[i] == (byte)'#' ? !char.IsAsciiHexDigitLower((char)name[i]) : name[i] != form[i])
            {
                return false;
            }
        }

        return true;
    }

    public ScopeNode FindOrAdd(byte[] name)
    {
        if (!_children.TryGetValue(name, out var node))
        {
            node = new ScopeNode();
            _children.Add(name, node);
        }

        return node;
    }

    public void ComputeRootsBelow()
    {
        foreach (var child in _children.Values)
        {
            child.ComputeRootsBelow();
            HasRootBelow |= child.Mark == ScopeMark.Root || child.HasRootBelow;
        }
    }
}

/// <summary>The scope at one moment: which paths are the task's, with the mounts that exist now.</summary>
internal sealed class ScopeTree
{
    /// <summary>Name of the directory in each root where put-back prepares files before it moves them into place; never captured.</summary>
    public static ReadOnlySpan<byte> StagingName => ".floe-putback"u8;

    private readonly ScopeNode _top = new() { Mark = ScopeMark.Excluded, Reason = "it is not in the task's scope", IsUnnamed = true };

    private readonly List<byte[]> _shared = [];
    private readonly List<byte[]> _public = [];

    public ScopeNode Top => _top;

    public void MarkRoot(byte[] path)
    {
        var node = FindOrAdd(path);
        if (node.Mark != ScopeMark.Root)
        {
            node.Mark = ScopeMark.Root;
            var staging = node.FindOrAdd(StagingName.ToArray());
            staging.Mark = ScopeMark.Excluded;
            staging.Reason = "the name is reserved for putting files back";
        }
    }

    /// <summary>Other programs write in this root too: what is new in it, or changed, need not be the task's.</summary>
    /// <param name="isPublic">Everybody's, as /tmp is: not even a removal is taken for the task's, and no file of it is named to people.</param>
    public void MarkShared(byte[] root, bool isPublic) => (isPublic ? _public : _shared).Add(root);

    /// <summary>Roots in which others write too.</summary>
    public IReadOnlyList<byte[]> SharedRoots => [.. _shared.Concat(_public).Where(root => IsRoot(root))];

    /// <summary>Whether the path lies in a shared root, public or not.</summary>
    public bool IsShared(ReadOnlySpan<byte> path) => IsIn(_shared, path) || IsIn(_public, path);

    public bool IsPublic(ReadOnlySpan<byte> path) => IsIn(_public, path);

    private bool IsIn(List<byte[]> roots, ReadOnlySpan<byte> path)
    {
        if (roots.Count == 0 || !Contains(path, out var root, out _))
        {
            return false;
        }

        foreach (var candidate in roots)
        {
            if (root.SequenceEqual(candidate))
            {
                return true;
            }
        }

        return false;
    }

    /// <param name="isUnnamed">See <see cref="ScopeNode.IsUnnamed"/>.</param>
    public void MarkExcluded(byte[] path, string reason, bool isUnnamed = false)
    {
        var node = FindOrAdd(path);
        node.Mark = ScopeMark.Excluded;
        node.Reason = reason;
        node.IsUnnamed = isUnnamed;
    }

    /// <summary>A directory of which these names are the agent's own. To be called when all else is marked.</summary>
    public void MarkAgentFolder(byte[] path, IEnumerable<byte[]> names, string reason)
    {
        var node = FindOrAdd(path);
        foreach (var form in names)
        {
            node.ExcludeNames(form, reason);
        }
    }

    /// <summary>Whether the agent has files in this directory: it is neither new nor gone, whatever a listing says.</summary>
    public bool IsAgentFolder(ReadOnlySpan<byte> path) => Find(path) is { IsAgentFolder: true };

    public bool IsRoot(ReadOnlySpan<byte> path) => Locate(path, out _, out var end).Mark == ScopeMark.Root && end == path.Length;

    /// <summary>Whether the path is out of scope only because nobody named it.</summary>
    public bool IsUnnamed(ReadOnlySpan<byte> path) => Locate(path, out _, out _) is { Mark: ScopeMark.Excluded, IsUnnamed: true };

    /// <summary>Whether the path is in scope; if so <paramref name="root"/> is the path of the root that it belongs to, otherwise <paramref name="reason"/> says why not.</summary>
    public bool Contains(ReadOnlySpan<byte> path, out ReadOnlySpan<byte> root, out string reason)
    {
        var deciding = Locate(path, out reason, out var end);
        root = path[..end];
        return deciding.Mark == ScopeMark.Root;
    }

    private ScopeNode Locate(ReadOnlySpan<byte> path, out string reason, out int rootEnd)
    {
        var node = _top;
        var deciding = node;
        rootEnd = 0;
        for (var start = 0; start < path.Length;)
        {
            var slash = path[start..].IndexOf((byte)'/');
            var end = slash < 0 ? path.Length : start + slash;
            node = node.Find(path[start..end]);
            if (node is null)
            {
                break;
            }

            if (node.Mark != ScopeMark.Inherited)
            {
                deciding = node;
                rootEnd = end;
            }

            start = end + 1;
        }

        reason = deciding.Reason;
        return deciding;
    }

    /// <summary>The node of a path; null when nothing at or below it is marked.</summary>
    public ScopeNode? Find(ReadOnlySpan<byte> path)
    {
        var node = _top;
        foreach (var range in path.Split((byte)'/'))
        {
            if (path.IsEmpty || node is null)
            {
                break;
            }

            node = node.Find(path[range]);
        }

        return node;
    }

    private ScopeNode FindOrAdd(ReadOnlySpan<byte> path)
    {
        var node = _top;
        if (path.IsEmpty)
        {
            return node;
        }

        foreach (var range in path.Split((byte)'/'))
        {
            node = node.FindOrAdd(path[range].ToArray());
        }

        return node;
    }
}
