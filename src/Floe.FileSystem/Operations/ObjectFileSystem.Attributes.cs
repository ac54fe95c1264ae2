using System.Text;
using Floe.FileSystem.Content;
using Floe.FileSystem.Inodes;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;

namespace Floe.FileSystem.Operations;

/// <summary>stat, chmod, chown, truncate, utimensat, readlink, getxattr.</summary>
public sealed partial class ObjectFileSystem
{
    private const string ETagName = "user.s3.etag";
    private const string TagPrefix = "user.s3.tag.";

    public async ValueTask<FuseAttributesReply> GetAttributesAsync(ulong ino, CancellationToken cancellationToken)
    {
        var node = await FreshAsync(ino, cancellationToken).ConfigureAwait(false);
        lock (Gate)
        {
            node.Uses--;
            var reply = new FuseAttributesReply(Shown(node), ValidFor(node));
            _inodes.Release(node);
            return reply;
        }
    }

    public async ValueTask<FuseAttributesReply> SetAttributesAsync(ulong ino, FuseSetAttributes change, FuseCaller caller, CancellationToken cancellationToken)
    {
        var node = await FreshAsync(ino, cancellationToken).ConfigureAwait(false);
        try
        {
            if (change.Size is not null || caller.Uid != 0)
            {
                // Root may set them whatever they are, and a descriptor has no name to be looked up again.
                RequireShown(node);
            }

            if (change.Size is { } size)
            {
                await ResizeAsync(node, change.Handle, Length(size), cancellationToken).ConfigureAwait(false);
                Wrote(node, change.KillsPrivileges);
            }

            lock (Gate)
            {
                Change(node, change, caller);
                return new FuseAttributesReply(Shown(node), ValidFor(node));
            }
        }
        finally
        {
            Drop(node);
        }
    }

    public async ValueTask<byte[]> ReadLinkAsync(ulong ino, CancellationToken cancellationToken)
    {
        var node = await FreshAsync(ino, cancellationToken).ConfigureAwait(false);
        try
        {
            if (node.Kind != NodeKind.Link)
            {
                throw new FuseException(Errno.EINVAL, $"{node.Name} is no link");
            }

            if (node.LinkTarget is { } known)
            {
                return known;
            }

            var (key, target) = await GetLinkAsync(node, cancellationToken).ConfigureAwait(false);
            if (target.Length == 0 || target.AsSpan().Contains((byte)0))
            {
                throw new FuseException(Errno.EIO, $"{key} is marked as a link, but holds no path");
            }

            lock (Gate)
            {
                return node.LinkTarget = target;
            }
        }
        finally
        {
            Drop(node);
        }
    }

    /// <summary>A link's object, wherever it is by now: in the middle of a rename the node names the one that is deleted.</summary>
    private async Task<(string Key, byte[] Target)> GetLinkAsync(Node node, CancellationToken cancellationToken)
    {
        const int MaxTargetBytes = 4095;
        while (true)
        {
            var version = node.Listed!;
            if (await _buckets.Open(version.Bucket).GetAsync(version.Key, MaxTargetBytes, cancellationToken).ConfigureAwait(false) is { } found)
            {
                return (version.Key, found.Content);
            }

            using (node.Parent is { } folder ? await ChangeAsync(folder, cancellationToken).ConfigureAwait(false) : default)
            {
                if (node.Listed == version)
                {
                    throw new FuseException(Errno.ENOENT, $"{node.Name} was removed");
                }
            }
        }
    }

    /// <summary>user.s3.etag, and the object's tags as user.s3.tag.NAME.</summary>
    /// <exception cref="FuseException">ENODATA.</exception>
    public async ValueTask<byte[]> GetExtendedAttributeAsync(ulong ino, string name, CancellationToken cancellationToken)
    {
        var missing = new FuseException(Errno.ENODATA, $"no attribute {name}");
        if (name != ETagName && !name.StartsWith(TagPrefix, StringComparison.Ordinal))
        {
            throw missing;
        }

        if (await VersionAsync(ino, cancellationToken).ConfigureAwait(false) is not { } version)
        {
            throw missing;
        }

        if (name == ETagName)
        {
            return Encoding.UTF8.GetBytes(version.ETag.Value.Trim('"'));
        }

        var tags = await _buckets.Open(version.Bucket).GetTagsAsync(version.Key, cancellationToken).ConfigureAwait(false);
        foreach (var (key, value) in tags)
        {
            if (key == name[TagPrefix.Length..])
            {
                return Encoding.UTF8.GetBytes(value);
            }
        }

        throw missing;
    }

    public async ValueTask<IReadOnlyList<string>> ListExtendedAttributesAsync(ulong ino, CancellationToken cancellationToken)
    {
        if (await VersionAsync(ino, cancellationToken).ConfigureAwait(false) is not { } version)
        {
            return [];
        }

        try
        {
            var tags = await _buckets.Open(version.Bucket).GetTagsAsync(version.Key, cancellationToken).ConfigureAwait(false);
            return [ETagName, .. tags.Select(t => TagPrefix + t.Key)];
        }
        catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.AccessDenied or ObjectStoreErrorKind.Unsupported)
        {
            // ls, cp and rsync list attributes of every file: they shall not fail for tags that nobody may read, or that the service does not have.
            return [ETagName];
        }
    }

    private async ValueTask<Floe.S3.Buckets.ObjectVersion?> VersionAsync(ulong ino, CancellationToken cancellationToken)
    {
        var node = await FreshAsync(ino, cancellationToken).ConfigureAwait(false);
        lock (Gate)
        {
            var version = node.IsUnlinked || node.Kind == NodeKind.Folder ? null : node.Version;
            node.Uses--;
            _inodes.Release(node);
            return version;
        }
    }

    /// <summary>
    /// Whoever asks was let by the attributes that the kernel has (default_permissions). Where those are a listing's, and the object's are others, the kernel
    /// shall look the name up, and ask itself, once more.
    /// </summary>
    /// <exception cref="FuseException">ESTALE.</exception>
    private void RequireShown(Node node)
    {
        lock (Gate)
        {
            if (node is { IsShownByDefaults: true, HasStoredAttributes: true } && (node.Mode, node.Uid, node.Gid) != (DefaultMode(node.Kind), _options.Uid, _options.Gid))
            {
                throw new FuseException(ESTALE, $"{node.Name} is not as the listing had it");
            }
        }
    }

    private async ValueTask ResizeAsync(Node node, ulong? handle, long size, CancellationToken cancellationToken)
    {
        if (node.Kind == NodeKind.Folder)
        {
            throw new FuseException(Errno.EISDIR, $"{node.Name} is a folder");
        }

        if (node.Kind != NodeKind.File)
        {
            throw new FuseException(Errno.EINVAL, $"{node.Name} is no file");
        }

        if (handle is { } number && _files.TryGetValue(number, out var file))
        {
            await file.Content.TruncateAsync(size, cancellationToken).ConfigureAwait(false);
            return;
        }

        RequireLeftByTask(node, becomesEmpty: size == 0);
        var content = await WithContentAsync(node, content =>
        {
            content.Open(canRead: false, canWrite: true);
            return content;
        }, cancellationToken).ConfigureAwait(false);

        try
        {
            await content.TruncateAsync(size, cancellationToken).ConfigureAwait(false);
            node.IsOfLostLife = false;
        }
        finally
        {
            content.Close(canRead: false, canWrite: true);
        }
    }

    /// <summary>The lock is held.</summary>
    private void Change(Node node, in FuseSetAttributes change, FuseCaller caller)
    {
        if (change is { Mode: null, Uid: null, Gid: null, ATime: null, MTime: null })
        {
            return;
        }

        var now = Clock;
        if (change.Mode is { } mode)
        {
            node.Mode = (node.Mode & Interop.S_IFMT) | mode;
        }

        node.Uid = change.Uid ?? node.Uid;
        node.Gid = change.Gid ?? node.Gid;
        if (change.KillsPrivileges || ((change.Uid ?? change.Gid) is not null && caller.Uid != 0))
        {
            DropPrivileges(node);
        }

        if (change.ATime is { } atime)
        {
            node.ATime = atime.Time ?? now;
        }

        if (change.MTime is { } mtime)
        {
            node.MTime = mtime.Time ?? now;
            node.HasSetMTime = true;
        }

        node.CTime = now;
        node.HasOwnAttributes = node.HasStoredAttributes = true;
        node.AttributeChanges++;
    }
}
