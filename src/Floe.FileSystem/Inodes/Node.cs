using Floe.FileSystem.Content;
using Floe.FileSystem.Directories;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Inodes;

internal enum NodeKind
{
    Folder,
    File,
    Link,
    /// <summary>A FIFO or socket: known to this mount alone, never in the bucket.</summary>
    Special,
}

/// <summary>
/// A file of the mount as long as somebody needs it: the kernel (lookups), an open handle, bytes or attributes that the bucket does not have,
/// or known names below it. All fields are guarded by the <see cref="InodeTable"/>'s lock.
/// </summary>
internal sealed class Node(ulong ino, NodeKind kind)
{
    private const uint WritableByOthers = 0x12; // 022

    public ulong Ino { get; } = ino;

    public NodeKind Kind { get; } = kind;

    /// <summary>Null for the root and for what has no name any more.</summary>
    public Node? Parent { get; set; }

    public string Name { get; set; } = "";

    /// <summary>
    /// Removed, replaced, or never named (O_TMPFILE): alive for those who have it open. If that was done here its content has no target any more; if
    /// others did it, the content still has, and what is written to it fails for their object's sake.
    /// </summary>
    public bool IsUnlinked { get; set; }

    /// <summary>Ends with the removal or replacement that is under way; null: none is.</summary>
    public TaskCompletionSource? Leaving { get; set; }

    /// <summary>Never in the bucket: what CRIU makes on its way to unlinked files that are open.</summary>
    public bool IsGhost { get; set; }

    /// <summary>Shown as root's and writable by nobody else, whatever the bucket says; see <see cref="FileSystemOptions.RootOnlyName"/>.</summary>
    public bool IsRootOnly { get; init; }

    public long Lookups { get; set; }

    /// <summary>Open handles, and operations that must find it still there when they end.</summary>
    public int Uses { get; set; }

    /// <summary>With the type.</summary>
    public uint Mode { get; set; }

    public uint Uid { get; set; }

    public uint Gid { get; set; }

    public UnixTime ATime { get; set; }

    public UnixTime MTime { get; set; }

    public UnixTime CTime { get; set; }

    public uint RDev { get; set; }

    /// <summary>The modification time was set by somebody and goes into the object's metadata.</summary>
    public bool HasSetMTime { get; set; }

    /// <summary>Counts what was written by requests, and moved the time.</summary>
    public long Writes { get; set; }

    /// <summary>Attributes were changed here and hold as long as the mount lives, or until the object is another one.</summary>
    public bool HasOwnAttributes { get; set; }

    /// <summary>Counts changes of attributes; <see cref="WrittenChange"/> is the count that the object's metadata were made at.</summary>
    public int AttributeChanges { get; set; }

    public int WrittenChange { get; set; } = -1;

    /// <summary>Mode and owner are the object's metadata's (HEAD), not the defaults of a listing.</summary>
    public bool HasStoredAttributes { get; set; }

    /// <summary>
    /// The kernel has mode and owner of a listing, which are none of the object's, and lets by them whoever asks; see <see cref="HasStoredAttributes"/>.
    /// </summary>
    public bool IsShownByDefaults { get; set; }

    /// <summary>Its object was written by a life of the task that was lost after the snapshot that this mount goes on from: it can be replaced, not used.</summary>
    public bool IsOfLostLife { get; set; }

    /// <summary>The log has it.</summary>
    public bool IsLossTold { get; set; }

    /// <summary>Timestamp until which the bucket's word about this name counts.</summary>
    public long ValidUntil { get; set; }

    /// <summary>A file's or link's object as the bucket told of it last; null: none that is known. A content knows better.</summary>
    public ObjectVersion? Listed { get; set; }

    public FileContent? Content { get; set; }

    public Action<FileContent>? OnPublished { get; set; }

    /// <summary>
    /// What the kernel's page cache holds: the <see cref="FileContent.Identity"/> of a content or, when that is no longer at hand, the version of the object
    /// that it was. Another content starts with an empty cache.
    /// </summary>
    public object? CachedBy { get; set; }

    public byte[]? LinkTarget { get; set; }

    /// <summary>What only a folder has.</summary>
    public FolderState? Folder { get; init; }

    /// <summary>The object that stands for the file now.</summary>
    public ObjectVersion? Version => Content is { } content ? content.Version : Listed;

    public long Size => Content?.Size ?? LinkTarget?.Length ?? Listed?.Size ?? 0;

    /// <summary>
    /// Whether this mount knows the name better than the bucket. For a file until <see cref="Listed"/> has followed its publication: an answer that
    /// was asked for before it would else pass for news. One that is being replaced is there under its name until its successor is.
    /// </summary>
    public bool IsOwn => Kind == NodeKind.Special || Leaving is not null || (IsGhost && !IsUnlinked) || Folder is { IsPinned: true } || (Content is { } content && (content.IsDirty || content.Version != Listed));

    /// <summary>
    /// Whether the content, which takes more memory than the node, is not needed for now: nobody has it open, and the bucket has all of it. Its bytes
    /// stay at hand for the next opening.
    /// </summary>
    public bool CanRest =>
        Content is { IsDirty: false, IsOpen: false } content && Uses == 0 && Listed is not null && content.Version == Listed && !IsUnlinked && !IsGhost;

    /// <summary>Whether it must be kept though the kernel forgot it.</summary>
    public bool IsNeeded =>
        Lookups > 0 || Uses > 0 || Folder is { Children.Count: > 0 } || (!IsUnlinked && (Kind == NodeKind.Special || HasOwnAttributes)) || (!IsUnlinked && IsOwn);

    public FuseAttributes Attributes => new(
        Ino, (ulong)Size, (ulong)((Size + 511) / 512), ATime, MTime, CTime, IsRootOnly ? Mode & ~WritableByOthers : Mode,
        IsUnlinked ? 0u : Kind == NodeKind.Folder ? 2u : 1u, IsRootOnly ? 0 : Uid, IsRootOnly ? 0 : Gid, RDev, BlockSize);

    /// <summary>
    /// Gives up the content: for good where the file has no name any more, else its bytes stay at hand. What was written to a file that somebody
    /// else replaced or removed is dirty for ever, and is told and kept as everything that cannot go up.
    /// </summary>
    public void LetGo()
    {
        if (Content is { } content)
        {
            content.Published -= OnPublished;
            OnPublished = null;
            Content = null;
            if (IsUnlinked && !content.IsDirty)
            {
                content.Discard();
            }
            else
            {
                content.Forget();
            }
        }
    }

    private uint BlockSize => Kind == NodeKind.File ? 1u << 20 : 4096;

    public static uint TypeOf(NodeKind kind) => kind switch
    {
        NodeKind.Folder => Interop.S_IFDIR,
        NodeKind.Link => Interop.S_IFLNK,
        _ => Interop.S_IFREG,
    };
}
