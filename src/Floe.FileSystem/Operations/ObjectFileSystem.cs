using System.Collections.Concurrent;
using Floe.FileSystem.Content;
using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Metadata;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Operations;

/// <summary>
/// A bucket, or all of them, as a file system: what is in the bucket and what this mount has made and not uploaded yet, as one tree.
/// <para>
/// Names. The bucket's answer about a name is believed for a second (<see cref="FileSystemOptions.FileTtl"/>); a name that this mount changed is
/// its own until the bucket has it. Changes of names in one folder happen one at a time (<see cref="FolderState.Changing"/>; two folders: the
/// smaller node number first), and none while a whole folder is renamed; answers of the bucket that a change overtook are asked for again.
/// </para>
/// <para>
/// Files. A node is one version of one object; when the bucket's object is replaced while the file is open, the name gets a new node and the old
/// one goes on for those who have it open. Bytes are <see cref="FileContent"/>'s business.
/// </para>
/// It knows no FUSE protocol: <see cref="Serving.FuseAdapter"/> puts it on a mount, tests call it directly.
/// </summary>
public sealed partial class ObjectFileSystem
{
    private readonly IBucketService _buckets;
    private readonly ContentStore _contents;
    private readonly FileSystemOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly InodeTable _inodes;
    private readonly ListingCache _listings;
    private readonly LinkListWriter _links;
    private readonly ConcurrentDictionary<ulong, OpenFile> _files = new();
    private readonly ConcurrentDictionary<ulong, FolderReader> _folders = new();
    private readonly SharedLock _tree = new();

    /// <summary>What all folders have in <see cref="FolderState.Missing"/>, in the order in which it ends to be believed. The lock guards it.</summary>
    private readonly Queue<(FolderState Folder, string Name, long Until)> _missed = new();

    private readonly UnixTime _start;
    private ulong _lastHandle;

    public ObjectFileSystem(IBucketService buckets, ContentStore contents, FileSystemOptions options, TimeProvider time, ILogger logger)
    {
        _buckets = buckets;
        _contents = contents;
        _options = options;
        _time = time;
        _logger = logger;
        _start = UnixTime.From(time.GetUtcNow());
        _links = new LinkListWriter(buckets, new ObjectHeaders { Tags = options.Tags.For(LinkList.Name) }, logger);
        _listings = new ListingCache(options.MaxListedNames);
        var root = new Node(InodeTable.RootIno, NodeKind.Folder)
        {
            Folder = options.Root is { } folder
                ? new FolderState { Bucket = folder.Bucket, RootPrefix = folder.Prefix, IsPinned = true }
                : new FolderState { IsPinned = true },
        };
        SetDefaults(root);
        _inodes = new InodeTable(root, options.RootOnlyName);
        if (options.Root is null)
        {
            SetDefaults(_inodes.Add(root, "s3", NodeKind.Folder, new FolderState { IsPinned = true }));
        }
    }

    /// <summary>Nobody makes, renames or removes this name through the mount; null: there is none such.</summary>
    public string? RootOnlyName => _options.RootOnlyName;

    public int MaxKnownNames => _options.MaxKnownNames;

    private Lock Gate => _inodes.Gate;

    private long Now => _time.GetTimestamp();

    private UnixTime Clock => UnixTime.From(_time.GetUtcNow());

    /// <summary>
    /// Waits until all closed files and all lists of links are in the bucket, and says what is not. With open files too, as they are now, if asked.
    /// </summary>
    public async Task<IReadOnlyList<ContentFailure>> DrainAsync(bool includingOpen, CancellationToken cancellationToken)
    {
        await _links.DrainAsync(cancellationToken).ConfigureAwait(false);
        await TakeWhatCanBeMappedAsync(cancellationToken).ConfigureAwait(false);
        return await _contents.DrainAsync(includingOpen, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Files and folders that are in memory because somebody knows of them or something of them is not in the bucket.</summary>
    public int KnownNames => _inodes.Count;

    /// <summary>Names that are known not to be there.</summary>
    public int MissedNames => _missed.Count;

    /// <summary>How many there have been since the mount began, those that are forgotten too.</summary>
    public long NamesMade => (long)_inodes.LastIno;

    /// <summary>Ends when there are more known names than so many. One caller at a time.</summary>
    public Task WaitForNamesAsync(int count) => _inodes.WaitForMoreThanAsync(count);

    /// <summary>The kernel gives back lookups.</summary>
    public void Forget(ulong ino, ulong lookups) => _inodes.Forget(ino, lookups);

    /// <summary>A bucket has no end; programs that look for room shall find it.</summary>
    public static FuseStatFs StatFileSystem()
    {
        const uint BlockBytes = 4096;
        const ulong Blocks = (1UL << 60) / BlockBytes;
        return new FuseStatFs(Blocks, Blocks, Blocks, 1UL << 40, 1UL << 40, BlockBytes, 255);
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * _time.TimestampFrequency);

    private long After(TimeSpan time) => Now + Ticks(time);

    /// <summary>Keeps a node from leaving until <see cref="Drop"/>. The lock is held.</summary>
    private static Node Use(Node node)
    {
        node.Uses++;
        return node;
    }

    private void Drop(Node? node)
    {
        if (node is not null)
        {
            lock (Gate)
            {
                node.Uses--;
                Rest(node);
                _inodes.Release(node);
            }
        }
    }

    /// <summary>An answer that names a node, which counts as a lookup. The lock is held.</summary>
    private FuseEntry EntryOf(Node node)
    {
        node.Lookups++;
        return new FuseEntry(node.Ino, 0, Shown(node), ValidFor(node), ValidFor(node));
    }

    /// <summary>Attributes that the kernel goes by from now on. The lock is held.</summary>
    private static FuseAttributes Shown(Node node)
    {
        node.IsShownByDefaults = node is { Kind: NodeKind.File, HasStoredAttributes: false };
        return node.Attributes;
    }

    /// <summary>How long the kernel need not ask again. The lock is held.</summary>
    private TimeSpan ValidFor(Node node)
    {
        if (node.Kind == NodeKind.Folder)
        {
            return node.IsOwn ? _options.FolderTtl : Left(node.ValidUntil, _options.FolderTtl);
        }

        return node.IsOwn || node.Uses > 0 ? _options.FileTtl : Left(node.ValidUntil, _options.FileTtl);
    }

    /// <summary>
    /// How long the kernel may believe that there is no such file: as long as it is believed here, so that making it then asks the bucket nothing
    /// and is done before the kernel stops believing (<see cref="FuseEntry.None"/>). The lock is held.
    /// </summary>
    private TimeSpan MissingFor(FolderState folder, string name) =>
        Left(Math.Max(folder.Missing.GetValueOrDefault(name), folder.Listing?.ValidUntil ?? 0), _options.FileTtl);

    private TimeSpan Left(long until, TimeSpan most)
    {
        var left = TimeSpan.FromSeconds((double)(until - Now) / _time.TimestampFrequency);
        return left <= TimeSpan.Zero ? TimeSpan.Zero : left < most ? left : most;
    }

    /// <summary>What the keys of a folder begin with: empty, or ending in '/'. The lock is held.</summary>
    /// <exception cref="FuseException">ENOENT: the folder was removed. EPERM: it lies above the buckets.</exception>
    private static string PrefixOf(Node folder)
    {
        if (folder.Folder!.RootPrefix is { } root)
        {
            return root;
        }

        if (!folder.Folder.IsInBucket)
        {
            throw new FuseException(Errno.EPERM, "only buckets can be here");
        }

        return folder.Parent is { } parent ? $"{PrefixOf(parent)}{folder.Name}/" : throw new FuseException(Errno.ENOENT, "the folder was removed");
    }

    private (IBucketClient Bucket, string Key) KeyOf(Node folder, string name)
    {
        lock (Gate)
        {
            var prefix = PrefixOf(folder);
            return (_buckets.Open(folder.Folder!.Bucket!), NameRules.Checked(prefix + name));
        }
    }

    /// <summary>To be held while a name of the folder is made or removed.</summary>
    private async ValueTask<Changing> ChangeAsync(Node folder, CancellationToken cancellationToken)
    {
        var tree = await _tree.EnterSharedAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return new Changing(tree, await folder.Folder!.Changing.EnterAloneAsync(cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            tree.Dispose();
            throw;
        }
    }

    private readonly record struct Changing(SharedLock.Holder Tree, SharedLock.Holder Folder) : IDisposable
    {
        public void Dispose()
        {
            Folder.Dispose();
            Tree.Dispose();
        }
    }

    private uint DefaultMode(NodeKind kind) => Node.TypeOf(kind) | (kind == NodeKind.Link ? 0x1FFu : 0x1FFu & ~_options.UMask);

    private void SetDefaults(Node node)
    {
        node.Mode = DefaultMode(node.Kind);
        node.Uid = _options.Uid;
        node.Gid = _options.Gid;
        node.ATime = node.MTime = node.CTime = _start;
    }

    /// <summary>Owner and permissions of what is made now; a folder with set-group-id hands its group on. The lock is held.</summary>
    private void SetNew(Node node, Node folder, uint mode, FuseCaller caller)
    {
        const uint S_ISGID = 0x400;
        var inherits = (folder.Mode & S_ISGID) != 0;
        var type = (mode & Interop.S_IFMT) != 0 ? mode & Interop.S_IFMT : Node.TypeOf(node.Kind);
        node.Mode = type | (mode & 0xFFF) | (inherits && node.Kind == NodeKind.Folder ? S_ISGID : 0);
        node.Uid = caller.Uid;
        node.Gid = inherits ? folder.Gid : caller.Gid;
        node.ATime = node.MTime = node.CTime = Clock;
        node.HasStoredAttributes = true;
    }

    /// <summary>Notes that this mount made or removed a name. The lock is held.</summary>
    private void Changed(Node folder, string name, bool isThere, bool isFolder = false)
    {
        var state = folder.Folder!;
        var change = new NameChange(name, isThere, isFolder);
        state.NoteChange(change);
        state.Listing?.Note(change);
        folder.MTime = folder.CTime = Clock;
        if (isThere)
        {
            state.Missing.Remove(name);
        }
        else
        {
            Missed(state, name);
        }
    }

    /// <summary>The bucket has nothing under the name. The lock is held.</summary>
    private void Missed(FolderState state, string name)
    {
        var until = After(_options.FileTtl);
        state.Missing[name] = until;
        _missed.Enqueue((state, name, until));
        while (_missed.TryPeek(out var oldest) && (oldest.Until <= Now || _missed.Count > _options.MaxMissedNames))
        {
            _missed.Dequeue();
            if (oldest.Folder.Missing.GetValueOrDefault(oldest.Name) == oldest.Until)
            {
                oldest.Folder.Missing.Remove(oldest.Name);
            }
        }
    }

    /// <summary>Metadata and tags of the object that a node becomes. Called by uploads on any thread; a torn time stamp harms nobody.</summary>
    private ObjectHeaders HeadersOf(Node node, string name)
    {
        node.WrittenChange = node.AttributeChanges;
        return new ObjectHeaders
        {
            Metadata = PosixMetadata.Encode(node.Mode, node.Uid, node.Gid, node.HasSetMTime ? node.MTime : null),
            Tags = _options.Tags.For(name),
        };
    }

    /// <summary>The same for the object that stands for a folder.</summary>
    private ObjectHeaders MarkerHeadersOf(Node folder, string name) => new()
    {
        Metadata = PosixMetadata.Encode(folder.Mode, folder.Uid, folder.Gid, null),
        Tags = _options.Tags.For(name),
    };

    private ContentTarget TargetOf(Node node, string bucket, string key)
    {
        var name = key[(key.LastIndexOf('/') + 1)..];
        return new ContentTarget(bucket, key) { Headers = () => HeadersOf(node, name), Renew = (known, size) => Renewed(node, name, known, size) };
    }

    /// <summary>What an object's headers must become for the node's attributes to be in them; null: nothing, or it is not worth the copy.</summary>
    private NewHeaders? Renewed(Node node, string name, IReadOnlyDictionary<string, string> known, long size)
    {
        var change = node.AttributeChanges;
        var wanted = PosixMetadata.Encode(node.Mode, node.Uid, node.Gid, node.HasSetMTime ? node.MTime : null);
        if (PosixMetadata.IsSame(known, wanted, withTime: true))
        {
            node.WrittenChange = change;
            return null;
        }

        // A program that is none elsewhere, or a file that its owner may not read, is a failure; a time is not.
        return size > _options.MaxSingleCopyBytes && PosixMetadata.IsSame(known, wanted, withTime: false) ? null : new NewHeaders(
            new ObjectHeaders { Metadata = PosixMetadata.Over(known, wanted), Tags = _options.Tags.For(name) }, () => node.WrittenChange = change);
    }
}
