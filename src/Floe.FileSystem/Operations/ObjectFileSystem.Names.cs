using System.Text;
using Floe.FileSystem.Content;
using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Metadata;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>Making and removing names. A folder is an object whose key ends in '/', its marker; folders that others' keys imply do without.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Counts as a lookup.</summary>
    public async ValueTask<FuseEntry> MakeFolderAsync(ulong parent, string name, uint mode, FuseCaller caller, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        var (bucket, key) = await NewNameAsync(folder, name, cancellationToken).ConfigureAwait(false);
        using var arriving = Arrive(folder, name);
        var node = new Node(0, NodeKind.Folder);
        lock (Gate)
        {
            SetNew(node, folder, mode, caller);
        }

        await PutAsync(bucket, NameRules.Checked(key + "/"), default, MarkerHeadersOf(node, name), PutCondition.None).ConfigureAwait(false);
        lock (Gate)
        {
            var made = _inodes.Add(folder, name, NodeKind.Folder);
            SetNew(made, folder, mode, caller);
            made.ValidUntil = After(_options.FolderTtl);
            made.Folder!.HasMarker = true;
            // A folder's attributes are not read back from the bucket: others than the usual ones are kept here.
            made.HasOwnAttributes = made.Mode != DefaultMode(NodeKind.Folder) || made.Uid != _options.Uid || made.Gid != _options.Gid;
            _listings.Keep(made.Folder, new FolderListing([], After(_options.FileTtl)), Now);
            Changed(folder, name, isThere: true, isFolder: true);
            return EntryOf(made);
        }
    }

    /// <summary>Counts as a lookup.</summary>
    public async ValueTask<FuseEntry> MakeLinkAsync(ulong parent, string name, ReadOnlyMemory<byte> target, FuseCaller caller, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        var (bucket, key) = await NewNameAsync(folder, name, cancellationToken).ConfigureAwait(false);
        using var arriving = Arrive(folder, name);
        var headers = new ObjectHeaders
        {
            Metadata = PosixMetadata.Encode(Interop.S_IFLNK | 0x1FF, caller.Uid, caller.Gid, null),
            Tags = _options.Tags.For(name),
        };
        var content = target.ToArray();
        ETag etag;
        try
        {
            etag = await PutAsync(bucket, key, content, headers, PutCondition.IfAbsent).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.PreconditionFailed)
        {
            throw Appeared(folder, name);
        }

        lock (Gate)
        {
            var node = _inodes.Add(folder, name, NodeKind.Link);
            SetNew(node, folder, 0x1FF, caller);
            node.LinkTarget = content;
            node.Listed = new ObjectVersion(bucket.Bucket, key, etag, content.Length);
            node.ValidUntil = After(_options.FileTtl);
            Changed(folder, name, isThere: true);
            Linked(folder, bucket.Bucket, name, isThere: true);
            return EntryOf(node);
        }
    }

    /// <summary>A FIFO or socket, for this mount's life; or an empty file. Counts as a lookup.</summary>
    public async ValueTask<FuseEntry> MakeNodeAsync(ulong parent, string name, uint mode, FuseCaller caller, CancellationToken cancellationToken)
    {
        var type = mode & Interop.S_IFMT;
        if (type is 0 or Interop.S_IFREG)
        {
            const uint O_RDWR = 2;
            var (entry, opened) = await CreateAsync(parent, name, mode, O_RDWR | Interop.O_EXCL, caller, cancellationToken).ConfigureAwait(false);
            Release(opened.Handle);
            return entry;
        }

        if (type is not (Interop.S_IFIFO or Interop.S_IFSOCK))
        {
            throw new FuseException(Errno.EPERM, "devices cannot be made here");
        }

        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        await NewNameAsync(folder, name, cancellationToken).ConfigureAwait(false);
        lock (Gate)
        {
            var node = _inodes.Add(folder, name, NodeKind.Special);
            SetNew(node, folder, mode, caller);
            Changed(folder, name, isThere: true);
            return EntryOf(node);
        }
    }

    public async ValueTask UnlinkAsync(ulong parent, string name, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        var node = await ResolveAsync(folder, name, cancellationToken).ConfigureAwait(false) ?? throw NoSuch(name);
        try
        {
            if (node.Kind == NodeKind.Folder)
            {
                throw new FuseException(Errno.EISDIR, $"{name} is a folder");
            }

            using var leaving = Leave(node);
            await RemoveObjectAsync(folder, node, cancellationToken).ConfigureAwait(false);
            lock (Gate)
            {
                _inodes.Orphan(node);
                node.CTime = Clock;
                Changed(folder, name, isThere: false);
                if (node.Kind == NodeKind.Link)
                {
                    Linked(folder, folder.Folder!.Bucket!, name, isThere: false);
                }
            }
        }
        finally
        {
            Drop(node);
        }
    }

    public async ValueTask RemoveFolderAsync(ulong parent, string name, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        var node = await ResolveAsync(folder, name, cancellationToken).ConfigureAwait(false) ?? throw NoSuch(name);
        try
        {
            if (node.Kind != NodeKind.Folder)
            {
                throw new FuseException(Errno.ENOTDIR, $"{name} is no folder");
            }

            if (node.Folder!.IsPinned)
            {
                throw new FuseException(Errno.EBUSY, "buckets are not removed here");
            }

            using var within = await node.Folder.Changing.EnterAloneAsync(cancellationToken).ConfigureAwait(false);
            await RemoveEmptyAsync(folder, node, cancellationToken).ConfigureAwait(false);
            lock (Gate)
            {
                Changed(folder, name, isThere: false);
            }
        }
        finally
        {
            Drop(node);
        }
    }

    /// <summary>Deletes what stands for a folder, when nothing else is in it. Its lock and its parent's (<see cref="FolderState.Changing"/>) are held.</summary>
    private async Task RemoveEmptyAsync(Node folder, Node node, CancellationToken cancellationToken)
    {
        var own = await RequireEmptyAsync(folder, node, cancellationToken).ConfigureAwait(false);
        await KeepFolderAsync(folder, cancellationToken).ConfigureAwait(false);
        if (own.Count > 0)
        {
            await KeyOf(folder, node.Name).Bucket.DeleteAsync(own, cancellationToken).ConfigureAwait(false);
        }

        lock (Gate)
        {
            _inodes.Orphan(node);
        }
    }

    /// <summary>Gives the keys that stand for a folder in which nothing else is: its marker and its list of links, as far as they are there.</summary>
    /// <exception cref="FuseException">ENOTEMPTY; also for keys that the mount does not show: nothing is removed unseen.</exception>
    private async Task<List<string>> RequireEmptyAsync(Node folder, Node node, CancellationToken cancellationToken)
    {
        var (bucket, key) = KeyOf(folder, node.Name);
        await _links.DrainAsync(bucket.Bucket, key + "/", cancellationToken).ConfigureAwait(false);
        lock (Gate)
        {
            if (node.Folder!.Children.Values.Any(HoldsOwn))
            {
                throw new FuseException(Errno.ENOTEMPTY, $"{node.Name} is not empty");
            }
        }

        var page = await bucket.ListAsync(key + "/", delimiter: null, token: null, 3, cancellationToken).ConfigureAwait(false);
        List<string> own = [key + "/", key + "/" + LinkList.Name];
        return page.Objects.All(o => own.Contains(o.Key))
            ? [.. page.Objects.Select(o => o.Key)] : throw new FuseException(Errno.ENOTEMPTY, $"{node.Name} is not empty");
    }

    /// <summary>Takes a file's, link's or special file's bytes out of the bucket; whoever has it open keeps them. It is leaving.</summary>
    private async Task RemoveObjectAsync(Node folder, Node node, CancellationToken cancellationToken)
    {
        if (node.Kind == NodeKind.Special || node.IsGhost)
        {
            return;
        }

        var (bucket, key) = KeyOf(folder, node.Name);
        await KeepFolderAsync(folder, cancellationToken).ConfigureAwait(false);
        using var detachment = await PrepareDetachAsync(node, cancellationToken).ConfigureAwait(false);
        await DeleteAsync(bucket, key).ConfigureAwait(false);
        await (detachment?.CompleteAsync() ?? Task.CompletedTask).ConfigureAwait(false);
    }

    /// <summary>The first step of making a file independent of its object, where it matters. It is leaving: nobody opens it any more.</summary>
    private async Task<FileContent.Detachment?> PrepareDetachAsync(Node node, CancellationToken cancellationToken)
    {
        FileContent? content;
        bool isOpen, isThrough;
        lock (Gate)
        {
            content = node.Content;
            isOpen = content is { IsOpen: true };
            // The object of a file that is clean already may still be being copied onto itself, for its attributes.
            isThrough = content is { IsDirty: false } && content.Version == node.Listed;
        }

        return content is null || (!isOpen && isThrough)
            ? null : await content.PrepareDetachAsync(isOpen, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes an object; what it throws means that, as far as is known, it was not made. Nothing interrupts it: the service makes it all the same.
    /// </summary>
    private static async Task<ETag> PutAsync(IBucketClient bucket, string key, ReadOnlyMemory<byte> content, ObjectHeaders headers, PutCondition condition)
    {
        headers = headers with { WriteId = headers.WriteId ?? ObjectHeaders.NewWriteId() };
        try
        {
            return await bucket.PutAsync(key, content, headers, condition, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind != ObjectStoreErrorKind.PreconditionFailed)
        {
            if (await LookAsync(bucket, key).ConfigureAwait(false) is { Object: { } found } && found.WriteId == headers.WriteId)
            {
                return found.ETag;
            }

            throw;
        }
    }

    /// <summary>
    /// Deletes an object; what it throws means that, as far as is known, the object is still there. Nothing interrupts it: what an interrupted
    /// deletion did nobody knows.
    /// </summary>
    private static async Task DeleteAsync(IBucketClient bucket, string key)
    {
        try
        {
            await bucket.DeleteAsync([key], CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            if (await LookAsync(bucket, key).ConfigureAwait(false) is not { Object: null })
            {
                throw;
            }
        }
    }

    /// <summary>What is under a key; null: the bucket does not say.</summary>
    private static async Task<(BucketObject? Object, bool IsKnown)?> LookAsync(IBucketClient bucket, string key)
    {
        try
        {
            return (await bucket.HeadAsync(key, CancellationToken.None).ConfigureAwait(false), true);
        }
        catch (ObjectStoreException)
        {
            return null;
        }
    }

    /// <summary>
    /// Before something is taken out of a folder: gives it a marker, so that it does not vanish with its last key. Once for each folder of a mount.
    /// </summary>
    private async Task KeepFolderAsync(Node folder, CancellationToken cancellationToken)
    {
        if (folder.Folder!.IsPinned || folder.Folder.HasMarker)
        {
            return;
        }

        IBucketClient bucket;
        string key;
        lock (Gate)
        {
            bucket = _buckets.Open(folder.Folder.Bucket!);
            key = PrefixOf(folder);
        }

        try
        {
            await bucket.PutAsync(key, default, MarkerHeadersOf(folder, folder.Name), PutCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.PreconditionFailed)
        {
            // It has one.
        }

        folder.Folder.HasMarker = true;
    }

    /// <summary>The key of a name that nothing has yet.</summary>
    /// <exception cref="FuseException">EEXIST, or no such name can be made here.</exception>
    private async ValueTask<(IBucketClient Bucket, string Key)> NewNameAsync(Node folder, string name, CancellationToken cancellationToken)
    {
        var key = KeyOf(folder, Creatable(name));
        if (await ResolveAsync(folder, name, cancellationToken).ConfigureAwait(false) is { } other)
        {
            Drop(other);
            throw new FuseException(Errno.EEXIST, $"{name} exists");
        }

        return key;
    }

    /// <summary>Notes in the folder's list that a name is a link, or is none any more. The lock is held.</summary>
    private void Linked(Node folder, string bucket, string name, bool isThere)
    {
        _links.Change(bucket, PrefixOf(folder), name, isThere);
        if (folder.Folder!.Links is { } links)
        {
            _ = isThere ? links.Add(name) : links.Remove(name);
        }
    }

    private static string Creatable(string name)
    {
        if (Encoding.UTF8.GetByteCount(name) > 255)
        {
            throw new FuseException(Errno.ENAMETOOLONG, "the name is too long");
        }

        return NameRules.IsVisible(name) ? name : throw new FuseException(Errno.EPERM, $"'{name}' is not a name that can be made here");
    }

    private static FuseException NoSuch(string name) => new(Errno.ENOENT, $"there is no {name}");
}
