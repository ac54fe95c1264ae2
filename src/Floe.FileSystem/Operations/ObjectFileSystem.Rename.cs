using Floe.FileSystem.Content;
using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>
/// rename(2). What is in the bucket is copied there and then deleted under its old key: not one step for others who look at the bucket, but in this
/// mount the name changes at once, and nothing is deleted before its copy is complete.
/// </summary>
public sealed partial class ObjectFileSystem
{
    public ValueTask RenameAsync(ulong parent, string name, ulong newParent, string newName, FuseRenameFlags flags, CancellationToken cancellationToken) =>
        RenameAsync(parent, name, newParent, newName, flags, CancellationToken.None, cancellationToken);

    /// <param name="released">The caller is being frozen, and would not stand still while it waits for an upload.</param>
    public async ValueTask RenameAsync(
        ulong parent, string name, ulong newParent, string newName, FuseRenameFlags flags, CancellationToken released, CancellationToken cancellationToken)
    {
        const int ESTALE = 116;
        if ((flags & ~FuseRenameFlags.NoReplace) != 0)
        {
            throw new FuseException(Errno.EINVAL, "objects cannot be exchanged");
        }

        var (from, to) = (_inodes.GetFolder(parent), _inodes.GetFolder(newParent));
        var seen = await ResolveAsync(from, name, cancellationToken).ConfigureAwait(false) ?? throw NoSuch(name);
        var isFolder = seen.Kind == NodeKind.Folder;
        try
        {
            // Before anybody is kept out.
            await ReadyToMoveAsync(seen, released, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Drop(seen);
        }

        // A folder moves alone: no key below it may come or go meanwhile.
        using var tree = await _tree.EnterAsync(isAlone: isFolder, cancellationToken).ConfigureAwait(false);
        var (first, second) = from.Ino <= to.Ino ? (from, to) : (to, from);
        using var one = await first.Folder!.Changing.EnterAloneAsync(cancellationToken).ConfigureAwait(false);
        using var two = first == second ? default : await second.Folder!.Changing.EnterAloneAsync(cancellationToken).ConfigureAwait(false);

        var node = await ResolveAsync(from, name, cancellationToken).ConfigureAwait(false) ?? throw NoSuch(name);
        Node? target = null;
        try
        {
            if ((node.Kind == NodeKind.Folder) != isFolder)
            {
                throw new FuseException(ESTALE, $"{name} was replaced meanwhile");
            }

            target = await ResolveAsync(to, Creatable(newName), cancellationToken).ConfigureAwait(false);
            Check(from, node, to, target, flags);
            // Two names of one ghost are one file: then nothing is done, as with hard links.
            if (target != node && (target?.Content is not { } content || content != node.Content))
            {
                lock (Gate)
                {
                    _moving = isFolder ? node : _moving;
                }

                using var arriving = Arrive(to, target is null ? newName : null);
                using var leaving = target is null || isFolder ? default : Leave(target);
                await (isFolder
                    ? MoveFolderAsync(from, node, to, newName, target, cancellationToken)
                    : MoveFileAsync(from, node, to, newName, target, cancellationToken)).ConfigureAwait(false);
            }
        }
        finally
        {
            lock (Gate)
            {
                _moving = isFolder ? null : _moving;
            }

            Drop(target);
            Drop(node);
        }
    }

    private async Task ReadyToMoveAsync(Node node, CancellationToken released, CancellationToken cancellationToken)
    {
        FileContent?[] contents;
        lock (Gate)
        {
            contents = node.Kind == NodeKind.Folder ? [.. ContentsBelow(node).Select(c => c.Content)] : [node.Content];
        }

        foreach (var content in contents)
        {
            await (content?.ReadyToMoveAsync(released, cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        }
    }

    private static void Check(Node from, Node node, Node to, Node? target, FuseRenameFlags flags)
    {
        if (node.Folder is { IsPinned: true } || target?.Folder is { IsPinned: true })
        {
            throw new FuseException(Errno.EBUSY, "buckets are not renamed here");
        }

        if (target is not null && (flags & FuseRenameFlags.NoReplace) != 0)
        {
            throw new FuseException(Errno.EEXIST, $"{target.Name} exists");
        }

        // In the order in which Linux looks at them.
        if (IsOrHolds(node, to))
        {
            throw new FuseException(Errno.EINVAL, "a folder cannot go into itself");
        }

        if (target is not null && IsOrHolds(target, from))
        {
            throw new FuseException(Errno.ENOTEMPTY, $"{target.Name} holds what is moved");
        }

        if (target is not null && (node.Kind == NodeKind.Folder) != (target.Kind == NodeKind.Folder))
        {
            throw new FuseException(target.Kind == NodeKind.Folder ? Errno.EISDIR : Errno.ENOTDIR, $"{target.Name} is of another kind");
        }
    }

    private static bool IsOrHolds(Node node, Node folder)
    {
        for (Node? above = folder; above is not null; above = above.Parent)
        {
            if (above == node)
            {
                return true;
            }
        }

        return false;
    }

    private async Task MoveFileAsync(Node from, Node node, Node to, string newName, Node? target, CancellationToken cancellationToken)
    {
        var name = node.Name;
        var (newBucket, newKey) = KeyOf(to, newName);
        if (node.Kind == NodeKind.Special)
        {
            if (target is not null)
            {
                await RemoveObjectAsync(to, target, cancellationToken).ConfigureAwait(false);
            }
        }
        else
        {
            await MoveObjectAsync(from, node, to, newName, target, cancellationToken).ConfigureAwait(false);
        }

        lock (Gate)
        {
            if (target is not null)
            {
                _inodes.Orphan(target);
                if (target.Kind == NodeKind.Link && node.Kind != NodeKind.Link)
                {
                    Linked(to, newBucket.Bucket, newName, isThere: false);
                }
            }

            _inodes.Move(node, to, newName);
            node.IsGhost = false;
            node.CTime = Clock;
            node.ValidUntil = After(_options.FileTtl);
            Changed(from, name, isThere: false);
            Changed(to, newName, isThere: true);
            if (node.Kind == NodeKind.Link)
            {
                Linked(from, from.Folder!.Bucket!, name, isThere: false);
                Linked(to, newBucket.Bucket, newName, isThere: true);
            }
        }
    }

    /// <summary>Brings a file's bytes under another key, wherever they are by now. What it throws means that the file is where it was.</summary>
    private async Task MoveObjectAsync(Node from, Node node, Node to, string newName, Node? target, CancellationToken cancellationToken)
    {
        var (bucket, key) = KeyOf(from, node.Name);
        var (newBucket, newKey) = KeyOf(to, newName);
        FileContent? content;
        lock (Gate)
        {
            // Made where there is none, so that who opens the file meanwhile is held too and goes with it.
            content = node.Kind == NodeKind.File ? ContentOf(node) : null;
        }

        using var detachment = target is null ? null : await PrepareDetachAsync(target, cancellationToken).ConfigureAwait(false);
        using var hold = content is null ? null : await content.HoldAsync(cancellationToken).ConfigureAwait(false);
        var replaced = await ReplacedAsync(to, newName, target, cancellationToken).ConfigureAwait(false);
        var place = TargetOf(node, newBucket.Bucket, newKey);
        if (content is { Version: null })
        {
            // Nothing of it is in the bucket: it goes to the new key when it goes up.
            await RemoveReplacedAsync(from, content, bucket, key, cancellationToken).ConfigureAwait(false);
            content.Retarget(place, replaced, null);
        }
        else
        {
            await KeepFolderAsync(from, cancellationToken).ConfigureAwait(false);
            var version = node.Version ?? throw new FuseException(Errno.EIO, $"{key} has no object");
            var isTaggedAlike = _options.Tags.For(node.Name).SequenceEqual(_options.Tags.For(newName));
            // What the rules do not set stays as it is, whoever set it.
            ObjectVersion copy;
            try
            {
                copy = await new ObjectCopier(_buckets, _options, _logger).CopyAsync(
                    version, newBucket, newKey, isTaggedAlike && !node.HasOwnAttributes ? null : () => place.Headers() with { KeepsTags = isTaggedAlike },
                    replaced is null ? PutCondition.IfAbsent : PutCondition.IfMatch(replaced.ETag), cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                lock (Gate)
                {
                    Doubt(to, newName);
                }

                throw;
            }

            // From here on it is read from the copy, and nothing is interrupted.
            var before = content?.Retarget(place, copy, copy);
            try
            {
                await DeleteAsync(bucket, key).ConfigureAwait(false);
            }
            catch (ObjectStoreException)
            {
                if (before is not null)
                {
                    content!.Return(before);
                }

                await TakeBackAsync(from, node, copy, to, newName, target, detachment).ConfigureAwait(false);
                throw;
            }

            lock (Gate)
            {
                node.Listed = copy;
                // The copy has them, unless they were changed since.
                node.HasOwnAttributes &= node.WrittenChange != node.AttributeChanges;
            }
        }

        await (detachment?.CompleteAsync() ?? Task.CompletedTask).ConfigureAwait(false);
    }

    /// <summary>
    /// Before a file that is in no object leaves a key, in a hold: deletes what it was to replace there. It would be under the old name again.
    /// </summary>
    private async Task RemoveReplacedAsync(Node from, FileContent content, IBucketClient bucket, string key, CancellationToken cancellationToken)
    {
        if (content.MayReplace && await bucket.HeadAsync(key, cancellationToken).ConfigureAwait(false) is { } found && content.Replaces(found))
        {
            await KeepFolderAsync(from, cancellationToken).ConfigureAwait(false);
            await DeleteAsync(bucket, key).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The old name cannot be deleted: its copy goes again. Where it has replaced something it stays, as what the name stands for now, and so it
    /// does where the bucket does not say that the old one is still there.
    /// </summary>
    private async Task TakeBackAsync(
        Node from, Node node, ObjectVersion copy, Node to, string newName, Node? target, FileContent.Detachment? detachment)
    {
        var (bucket, key) = KeyOf(from, node.Name);
        var newBucket = _buckets.Open(copy.Bucket);
        if (target is null && await LookAsync(bucket, key).ConfigureAwait(false) is { Object: not null })
        {
            try
            {
                await DeleteAsync(newBucket, copy.Key).ConfigureAwait(false);
            }
            catch (ObjectStoreException)
            {
                // Then it stays beside what it was made of.
            }
        }
        else if (target is not null)
        {
            await (detachment?.CompleteAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        }

        lock (Gate)
        {
            if (target is not null)
            {
                _inodes.Orphan(target);
                if (target.Kind == NodeKind.Link && node.Kind != NodeKind.Link)
                {
                    Linked(to, newBucket.Bucket, newName, isThere: false);
                }
            }

            Doubt(to, newName);
        }
    }

    /// <summary>Whatever was believed of a name, the bucket is asked anew. The lock is held.</summary>
    private static void Doubt(Node folder, string name)
    {
        var state = folder.Folder!;
        state.NoteChange(new NameChange(name, IsThere: null));
        state.Listing = null;
        state.Missing.Remove(name);
        if (state.Children.TryGetValue(name, out var node))
        {
            node.ValidUntil = 0;
        }
    }

    /// <summary>The object that a rename replaces; null: none. Asked for anew, since what is believed of a name may be a second old.</summary>
    /// <exception cref="FuseException">EEXIST: it is another one than the mount shows.</exception>
    private async Task<ObjectVersion?> ReplacedAsync(Node to, string newName, Node? target, CancellationToken cancellationToken)
    {
        var (bucket, key) = KeyOf(to, newName);
        if (await bucket.HeadAsync(key, cancellationToken).ConfigureAwait(false) is not { } head)
        {
            return null;
        }

        // Its own write too, also one whose answer was lost.
        var isTarget = target?.Content is { } content ? content.Knows(head.ETag) || content.Replaces(head) : target?.Listed?.ETag == head.ETag;
        return isTarget ? new ObjectVersion(bucket.Bucket, key, head.ETag, head.Size) : throw Appeared(to, newName);
    }

    private FuseException Appeared(Node folder, string name)
    {
        lock (Gate)
        {
            Doubt(folder, name);
        }

        return new FuseException(Errno.EEXIST, $"somebody else wrote {name} in this moment");
    }
}
