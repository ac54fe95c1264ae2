using System.Diagnostics.CodeAnalysis;
using Floe.FileSystem.Directories;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Inodes;

/// <summary>
/// The nodes of a mount by number. One lock guards them all, and is never held across a wait. A node leaves when nobody needs it
/// (<see cref="Node.IsNeeded"/>); its number is not used again.
/// </summary>
internal sealed class InodeTable
{
    public const ulong RootIno = 1;

    private readonly Dictionary<ulong, Node> _nodes = [];
    private readonly string? _rootOnlyName;
    private ulong _last = RootIno;
    private (int Count, TaskCompletionSource Source)? _awaited;

    /// <param name="rootOnlyName">See <see cref="FileSystemOptions.RootOnlyName"/>.</param>
    public InodeTable(Node root, string? rootOnlyName)
    {
        Root = root;
        _rootOnlyName = rootOnlyName;
        _nodes.Add(root.Ino, root);
    }

    public Lock Gate { get; } = new();

    public Node Root { get; }

    public int Count => _nodes.Count;

    /// <summary>The number of the node made last; a state that is taken over goes on behind it.</summary>
    public ulong LastIno
    {
        get => _last;
        set => _last = Math.Max(_last, value);
    }

    public IEnumerable<Node> Nodes => _nodes.Values;

    /// <exception cref="FuseException">ESTALE: the kernel names what it was never told of, or gave back.</exception>
    public Node Get(ulong ino)
    {
        const int ESTALE = 116;
        lock (Gate)
        {
            return _nodes.TryGetValue(ino, out var node) ? node : throw new FuseException(ESTALE, $"there is no node {ino}");
        }
    }

    public bool TryGet(ulong ino, [NotNullWhen(true)] out Node? node) => _nodes.TryGetValue(ino, out node);

    /// <exception cref="FuseException">ENOTDIR.</exception>
    public Node GetFolder(ulong ino)
    {
        var node = Get(ino);
        return node.Kind == NodeKind.Folder ? node : throw new FuseException(Errno.ENOTDIR, $"{node.Name} is no folder");
    }

    /// <summary>A new node with a name (or without: unlinked). The lock is held.</summary>
    public Node Add(Node? parent, string name, NodeKind kind, FolderState? folder = null, ulong? ino = null)
    {
        var node = new Node(ino ?? ++_last, kind)
        {
            Parent = parent,
            Name = name,
            IsUnlinked = parent is null,
            Folder = kind == NodeKind.Folder ? folder ?? new FolderState { Bucket = parent?.Folder!.Bucket } : null,
            Mode = Node.TypeOf(kind),
            IsRootOnly = parent is not null && (parent.IsRootOnly || name == _rootOnlyName),
        };
        _nodes.Add(node.Ino, node);
        parent?.Folder!.Children.Add(name, node);
        if (_awaited is { } awaited && _nodes.Count > awaited.Count)
        {
            _awaited = null;
            awaited.Source.SetResult();
        }

        return node;
    }

    /// <summary>Ends when there are more than so many nodes. One caller at a time.</summary>
    public Task WaitForMoreThanAsync(int count)
    {
        lock (Gate)
        {
            if (_nodes.Count > count)
            {
                return Task.CompletedTask;
            }

            var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _awaited = (count, source);
            return source.Task;
        }
    }

    /// <summary>Takes a node's name away, and those of all below it: they live on for those who hold them. The lock is held.</summary>
    public void Orphan(Node node)
    {
        if (node.Parent is { } parent)
        {
            parent.Folder!.Children.Remove(node.Name);
            node.Parent = null;
            node.IsUnlinked = true;
            foreach (var child in node.Folder?.Children.Values.ToList() ?? [])
            {
                Orphan(child);
            }

            Release(node);
            Release(parent);
        }
    }

    /// <summary>Gives a node another name, where there is none by now. The lock is held.</summary>
    public void Move(Node node, Node parent, string name)
    {
        var old = node.Parent;
        old?.Folder!.Children.Remove(node.Name);
        node.Parent = parent;
        node.Name = name;
        // A look at the old name, in the middle of the rename, may have found nothing and taken it away.
        node.IsUnlinked = false;
        parent.Folder!.Children.Add(name, node);
        if (old is not null)
        {
            Release(old);
        }
    }

    /// <summary>Lets a node go if nobody needs it any more, and then its folder. The lock is held.</summary>
    public void Release(Node node)
    {
        for (Node? next = node; next is not null && next != Root && !next.IsNeeded && next.Folder is not { IsPinned: true };)
        {
            var parent = next.Parent;
            if (!_nodes.Remove(next.Ino))
            {
                return;
            }

            parent?.Folder!.Children.Remove(next.Name);
            next.LetGo();
            next = parent;
        }
    }

    public void Forget(ulong ino, ulong lookups)
    {
        lock (Gate)
        {
            if (_nodes.TryGetValue(ino, out var node))
            {
                node.Lookups = Math.Max(0, node.Lookups - (long)Math.Min(lookups, long.MaxValue));
                Release(node);
            }
        }
    }
}
