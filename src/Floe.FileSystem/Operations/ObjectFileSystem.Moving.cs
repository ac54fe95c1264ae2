using Floe.FileSystem.Content;
using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Moving;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>The tree into a snapshot and out of one.</summary>
public sealed partial class ObjectFileSystem
{
    private const int ParallelChecks = 16;

    private string RootName => _options.Root is { } root ? $"{root.Bucket}/{root.Prefix}" : "";

    /// <summary>
    /// The state of a mount that nobody uses at this moment. Uploads are paused from then on: <see cref="Resume"/> lets them go on.
    /// </summary>
    /// <param name="taskRunsOn">The task stays here after the snapshot: then the snapshot carries also what has gone up.</param>
    public async Task<CapturedMount> CaptureAsync(bool taskRunsOn, CancellationToken cancellationToken)
    {
        await StandStillAsync(cancellationToken).ConfigureAwait(false);
        await TakeMappedAsync(cancellationToken).ConfigureAwait(false);

        // Names that are being made in the bucket are made first.
        await _links.DrainAsync(cancellationToken).ConfigureAwait(false);
        await _contents.PauseAsync(cancellationToken).ConfigureAwait(false);
        await _contents.TakeUnansweredAsync(cancellationToken).ConfigureAwait(false);
        List<NodeState> nodes = [];
        List<(FileContent, RangeState)> ranges = [];
        List<ListingState> listings;
        lock (Gate)
        {
            listings = CaptureListings();
            // What was made in a folder in the moment in which it was found to be gone has no path either.
            foreach (var node in _inodes.Nodes.Where(n => !n.IsUnlinked && n.Parent is not null && IsOrHolds(_inodes.Root, n)))
            {
                var content = node.Content?.Capture(taskRunsOn);
                if (content is null && node.Kind != NodeKind.Special && !node.HasOwnAttributes)
                {
                    continue;
                }

                if (content is not null)
                {
                    ranges.AddRange(content.Ranges.Select(r => (node.Content!, r)));
                }

                nodes.Add(new NodeState
                {
                    Path = PathOf(node),
                    Ino = node.Ino,
                    Mode = node.Mode,
                    Uid = node.Uid,
                    Gid = node.Gid,
                    RDev = node.RDev,
                    MTimeSeconds = node.MTime.Seconds,
                    MTimeNanos = node.MTime.Nanos,
                    HasSetMTime = node.HasSetMTime,
                    HasOwnAttributes = node.HasOwnAttributes,
                    Object = content is null && node.Version is { } version ? new ObjectState(version.ETag.Value, version.Size) : null,
                    Content = content,
                });
            }
        }

        return new CapturedMount(
            new MountState { Lineage = _contents.Lineage, Lives = _contents.EndLife(), Root = RootName, Nodes = nodes, Listings = listings }, ranges);
    }

    /// <summary>The snapshot is done with, or the task runs on.</summary>
    /// <param name="isDropped">The snapshot came to nothing: nothing will ever go on from what was captured.</param>
    public void Resume(bool isDropped = false)
    {
        _contents.Resume(isDropped);
        GoOn();
    }

    /// <summary>Takes a state over into a tree that was not used yet; then the bytes come, then <see cref="AttachAsync"/>.</summary>
    /// <exception cref="MountStateException">It does not belong here.</exception>
    public CarriedBytes Import(MountState state)
    {
        if (state.Root != RootName)
        {
            throw new MountStateException($"the snapshot was taken with the mount of '{state.Root}', this one is of '{RootName}'; give the same --mount-root") { IsOfThisMount = true };
        }

        _contents.Continue(state);
        List<(FileContent, RangeState)> ranges = [];
        lock (Gate)
        {
            _carriedListings = state.Listings.ToLookup(l => l.Path);
            _inodes.LastIno = state.Nodes.Select(told => told.Ino).DefaultIfEmpty().Max();
            foreach (var told in state.Nodes)
            {
                var node = ImportNode(told);
                node.Mode = told.Mode;
                node.Uid = told.Uid;
                node.Gid = told.Gid;
                node.RDev = told.RDev;
                node.MTime = node.CTime = node.ATime = new UnixTime(told.MTimeSeconds, Math.Min(told.MTimeNanos, 999_999_999));
                node.HasSetMTime = told.HasSetMTime;
                node.HasOwnAttributes = told.HasOwnAttributes;
                node.HasStoredAttributes = true;
                if (node.Kind == NodeKind.File && told.Content is { } content)
                {
                    var target = TargetOf(node, content.Bucket, NameRules.Checked(content.Key));
                    node.Content = Watched(node, _contents.Import(target, content));
                    node.Listed = node.Content.Version;
                    node.ValidUntil = After(_options.FileTtl);
                    ranges.AddRange(content.Ranges.Select(r => (node.Content, r)));
                }
                else if (told.Object is { } known && node is { Kind: NodeKind.File or NodeKind.Link, Parent: { } folder })
                {
                    node.Listed = new ObjectVersion(folder.Folder!.Bucket!, NameRules.Checked(PrefixOf(folder) + node.Name), new ETag(known.ETag), known.Size);
                }
            }
        }

        return new CarriedBytes(ranges);
    }

    /// <summary>The bytes have come: uploads go on, and what the state refers to is known to be there.</summary>
    /// <exception cref="MountStateException">Something is not.</exception>
    public async Task AttachAsync(MountState state, CancellationToken cancellationToken)
    {
        List<(FileContent Content, ContentState State)> contents = [];
        lock (Gate)
        {
            foreach (var told in state.Nodes)
            {
                if (told.Content is { } content && Find(told.Path) is { Content: { } known })
                {
                    contents.Add((known, content));
                }
            }
        }

        await Parallel.ForEachAsync(
            contents, new ParallelOptions { MaxDegreeOfParallelism = ParallelChecks, CancellationToken = cancellationToken },
            async (item, token) => await item.Content.AttachAsync(item.State, token).ConfigureAwait(false)).ConfigureAwait(false);
        foreach (var (content, told) in contents)
        {
            if (!told.IsOpen)
            {
                content.PublishInBackground();
            }
        }
    }

    private static string PathOf(Node node) =>
        node.Parent is { Parent: not null } parent ? $"{PathOf(parent)}/{node.Name}" : node.Parent is null ? "" : node.Name;

    private Node? Find(string path)
    {
        var node = _inodes.Root;
        foreach (var name in path.Split('/'))
        {
            if (node.Folder is null || !node.Folder.Children.TryGetValue(name, out var child))
            {
                return null;
            }

            node = child;
        }

        return node;
    }

    /// <summary>The node of a path, made with all folders above it. The lock is held.</summary>
    private Node ImportNode(NodeState told)
    {
        var names = told.Path.Split('/');
        var node = _inodes.Root;
        for (var i = 0; i < names.Length; i++)
        {
            if (node.Folder is not { } folder || (!folder.IsInBucket && node != _inodes.Root && names.Length == i + 1))
            {
                throw new MountStateException($"the snapshot's file system state has a file in no bucket: {told.Path}");
            }

            if (!folder.Children.TryGetValue(names[i], out var child))
            {
                child = i + 1 < names.Length ? AddImported(node, names[i], NodeKind.Folder, 0) : AddImported(node, names[i], KindOf(told.Mode), told.Ino);
            }

            node = child;
        }

        return node;
    }

    /// <param name="ino">0: any.</param>
    private Node AddImported(Node folder, string name, NodeKind kind, ulong ino)
    {
        if (!NameRules.IsVisible(name) || (folder == _inodes.Root && !folder.Folder!.IsInBucket))
        {
            throw new MountStateException($"the snapshot's file system state names '{name}', which cannot be here");
        }

        var node = folder.Folder!.IsInBucket
            ? _inodes.Add(folder, name, kind, ino: ino == 0 || _inodes.TryGet(ino, out _) ? null : ino)
            : _inodes.Add(folder, name, NodeKind.Folder, new FolderState { Bucket = _buckets.Open(name).Bucket, RootPrefix = "", IsPinned = true });
        SetDefaults(node);
        // Of files and links the bucket is asked first: what the state does not carry of them is the bucket's to say.
        node.ValidUntil = node.Kind == NodeKind.Folder ? After(_options.FolderTtl) : 0;
        return node;
    }

    private static NodeKind KindOf(uint mode) => (mode & Interop.S_IFMT) switch
    {
        Interop.S_IFDIR => NodeKind.Folder,
        Interop.S_IFREG => NodeKind.File,
        Interop.S_IFLNK => NodeKind.Link,
        _ => NodeKind.Special,
    };
}
