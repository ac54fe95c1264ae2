using Floe.FileSystem.Content;
using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>Open files: their bytes, lengths and ends.</summary>
public sealed partial class ObjectFileSystem
{
    private const uint O_ACCMODE = 3;
    private const uint O_WRONLY = 1;
    private const int EOVERFLOW = 75;
    private const int ESTALE = 116;

    /// <param name="flags">Of open(2); O_TRUNC counts, O_CREAT and O_EXCL do not.</param>
    public ValueTask<OpenedFile> OpenAsync(ulong ino, uint flags, CancellationToken cancellationToken) => OpenAsync(ino, flags, killsPrivileges: false, cancellationToken);

    /// <param name="killsPrivileges">O_TRUNC takes off set-user-id and set-group-id.</param>
    public async ValueTask<OpenedFile> OpenAsync(ulong ino, uint flags, bool killsPrivileges, CancellationToken cancellationToken)
    {
        var node = await FreshAsync(ino, cancellationToken).ConfigureAwait(false);
        try
        {
            RequireShown(node);
            return await OpenAsync(node, flags, killsPrivileges, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Drop(node);
        }
    }

    /// <summary>
    /// Who makes files waits while far too many are on their way to the bucket. That keeps others out of the folder, so whoever writes is held up long
    /// before (<see cref="FileContent.WriteAsync(long, ReadOnlyMemory{byte}, CancellationToken)"/>); this is for files that nobody writes to.
    /// </summary>
    public Task HoldUpAsync(CancellationToken released, CancellationToken cancellationToken) => _contents.HoldUpAsync(released, cancellationToken);

    /// <summary>Makes a file and opens it; opens the one that is there, unless O_EXCL says otherwise. Counts as a lookup.</summary>
    public ValueTask<(FuseEntry Entry, OpenedFile Opened)> CreateAsync(
        ulong parent, string name, uint mode, uint flags, FuseCaller caller, CancellationToken cancellationToken) =>
        CreateAsync(parent, name, mode, flags, killsPrivileges: false, caller, cancellationToken);

    /// <param name="killsPrivileges">As for <see cref="OpenAsync(ulong, uint, bool, CancellationToken)"/>, of a file that is there.</param>
    public async ValueTask<(FuseEntry Entry, OpenedFile Opened)> CreateAsync(
        ulong parent, string name, uint mode, uint flags, bool killsPrivileges, FuseCaller caller, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        var node = await ResolveAsync(folder, name, cancellationToken).ConfigureAwait(false);
        try
        {
            OpenedFile opened;
            if (node is not null)
            {
                if ((flags & Interop.O_EXCL) != 0)
                {
                    throw new FuseException(Errno.EEXIST, $"{name} exists");
                }

                opened = await OpenAsync(node, flags, killsPrivileges, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                var (bucket, key) = KeyOf(folder, Creatable(name));
                var ghost = IsGhostName(name) ? await DetachedAsync(bucket.Bucket, key, cancellationToken).ConfigureAwait(false) : null;
                lock (Gate)
                {
                    node = Use(_inodes.Add(folder, name, NodeKind.File));
                    SetNew(node, folder, mode, caller);
                    node.IsGhost = ghost is not null;
                    node.Content = ghost ?? NewContent(node, TargetOf(node, bucket.Bucket, key));
                    Changed(folder, name, isThere: true);
                    opened = Open(node, flags, keepsCache: false);
                }
            }

            lock (Gate)
            {
                return (EntryOf(node), opened);
            }
        }
        finally
        {
            Drop(node);
        }
    }

    /// <summary>A file that never has a name (O_TMPFILE). Counts as a lookup.</summary>
    public async ValueTask<(FuseEntry Entry, OpenedFile Opened)> CreateUnnamedAsync(
        ulong parent, uint mode, uint flags, FuseCaller caller, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        var (bucket, key) = KeyOf(folder, "unnamed");
        Node node;
        lock (Gate)
        {
            node = Use(_inodes.Add(null, "", NodeKind.File));
            SetNew(node, folder, mode, caller);
        }

        try
        {
            var content = await DetachedAsync(bucket.Bucket, key, cancellationToken).ConfigureAwait(false);
            lock (Gate)
            {
                node.Content = content;
                var opened = Open(node, flags, keepsCache: false);
                return (EntryOf(node), opened);
            }
        }
        finally
        {
            Drop(node);
        }
    }

    /// <summary>A content that never goes to the bucket.</summary>
    private async Task<FileContent> DetachedAsync(string bucket, string key, CancellationToken cancellationToken)
    {
        var content = _contents.Create(new ContentTarget(bucket, key));
        using var detachment = await content.PrepareDetachAsync(isOpen: true, cancellationToken).ConfigureAwait(false);
        await detachment.CompleteAsync().ConfigureAwait(false);
        return content;
    }

    /// <summary>Bytes read, fewer than asked for only at the end; those that lie in memory are lent and not copied.</summary>
    public ValueTask<FileBytes> ReadOrLendAsync(ulong handle, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var file = FileOf(handle);
        return file.CanRead
            ? file.Content.ReadOrLendAsync(offset, destination, cancellationToken)
            : throw new FuseException(Errno.EBADF, "the file is not open for reading");
    }

    public ValueTask WriteAsync(ulong handle, long offset, ReadOnlyMemory<byte> data, bool killsPrivileges, CancellationToken cancellationToken) =>
        WriteAsync(handle, offset, data, killsPrivileges, CancellationToken.None, cancellationToken);

    /// <param name="released">The writer is being frozen, and would not stand still while it waits for room.</param>
    public ValueTask WriteAsync(ulong handle, long offset, ReadOnlyMemory<byte> data, bool killsPrivileges, CancellationToken released, CancellationToken cancellationToken)
    {
        var file = FileOf(handle);
        if (!file.CanWrite)
        {
            throw new FuseException(Errno.EBADF, "the file is not open for writing");
        }

        if (offset < 0 || offset > long.MaxValue - data.Length)
        {
            throw new FuseException(Errno.EFBIG, "past what an object can hold");
        }

        var task = file.Content.WriteAsync(offset, data, released, cancellationToken);
        if (task.IsCompletedSuccessfully)
        {
            Wrote(file.Node, killsPrivileges);
            return default;
        }

        return AwaitAsync(task);

        async ValueTask AwaitAsync(ValueTask writing)
        {
            await writing.ConfigureAwait(false);
            Wrote(file.Node, killsPrivileges);
        }
    }

    /// <summary>The end of an open file. What it wrote goes up in the background, when no other writer has it open.</summary>
    public void Release(ulong handle)
    {
        if (_files.TryRemove(handle, out var file))
        {
            file.Content.Close(file.CanRead, file.CanWrite);
            Drop(file.Node);
        }
    }

    /// <summary>close(2) of one descriptor. The upload goes on behind it; one that failed before shows here.</summary>
    public void Flush(ulong handle)
    {
        if (FileOf(handle) is { CanWrite: true, Content.Failure: { } failure })
        {
            throw NotWritten(failure);
        }
    }

    /// <summary>fsync: the file as it is now is an object of the bucket when this returns.</summary>
    /// <param name="released">
    /// The caller is being frozen for a snapshot, and what it waits for would keep it from standing still: the upload goes on without it, and what has
    /// not gone up is in the snapshot.
    /// </param>
    public async ValueTask SyncAsync(ulong handle, CancellationToken released, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(released, cancellationToken);
        var syncing = SyncAsync(FileOf(handle).Content);
        await syncing.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!syncing.IsCompleted)
        {
            // How it ends is in the content's failure.
            _ = syncing.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            cancellationToken.ThrowIfCancellationRequested();
            return;
        }

        try
        {
            await syncing.ConfigureAwait(false);
        }
        catch (ContentException e)
        {
            throw NotWritten(e);
        }
    }

    private async Task SyncAsync(FileContent content)
    {
        await TakeMappedAsync(content, _contents.Stopping).ConfigureAwait(false);
        if (content.Target is not null)
        {
            await content.SyncAsync(_contents.Stopping).ConfigureAwait(false);
        }
    }

    /// <summary>Programs know these two of fsync and close; what it was is in the log.</summary>
    private static FuseException NotWritten(ContentException e) =>
        new(e.Kind == ContentErrorKind.NoSpace ? Errno.ENOSPC : Errno.EIO, e.Message);

    /// <summary>The node, used, after the bucket was asked whether it is still the same, unless that is known.</summary>
    /// <exception cref="FuseException">ESTALE: it is not; the kernel looks its name up again.</exception>
    private async ValueTask<Node> FreshAsync(ulong ino, CancellationToken cancellationToken)
    {
        var node = _inodes.Get(ino);
        Node? parent;
        string name;
        lock (Gate)
        {
            // What is open is pinned to its version; what was unlinked has no name to ask for.
            if (node.IsOwn || node.Uses > 0 || node.IsUnlinked || node.Kind == NodeKind.Folder || (node.ValidUntil > Now && node.HasStoredAttributes))
            {
                return Use(node);
            }

            (parent, name) = (node.Parent!, node.Name);
        }

        var found = await ResolveAsync(parent, name, cancellationToken).ConfigureAwait(false);
        if (found == node)
        {
            return node;
        }

        Drop(found);
        throw new FuseException(ESTALE, $"{name} is another file by now");
    }

    private async ValueTask<OpenedFile> OpenAsync(Node node, uint flags, bool killsPrivileges, CancellationToken cancellationToken)
    {
        if (node.Kind == NodeKind.Folder)
        {
            throw new FuseException(Errno.EISDIR, $"{node.Name} is a folder");
        }

        if (node.Kind != NodeKind.File)
        {
            throw new FuseException(node.Kind == NodeKind.Link ? Errno.ELOOP : Errno.ENXIO, $"{node.Name} is no file");
        }

        RequireLeftByTask(node, becomesEmpty: (flags & Interop.O_TRUNC) != 0);
        var (content, opened) = await WithContentAsync(node, content =>
        {
            var opened = Open(node, flags, keepsCache: node.CachedBy == content.Identity || (node.CachedBy is ObjectVersion version && version == content.Version && !content.IsDirty));
            node.CachedBy = content.Identity;
            return (content, opened);
        }, cancellationToken).ConfigureAwait(false);

        if ((flags & Interop.O_TRUNC) != 0)
        {
            try
            {
                await content.TruncateAsync(0, cancellationToken).ConfigureAwait(false);
                node.IsOfLostLife = false;
                Wrote(node, killsPrivileges);
            }
            catch
            {
                Release(opened.Handle);
                throw;
            }
        }

        return opened;
    }

    /// <summary>The lock is held, and the node has its content.</summary>
    private OpenedFile Open(Node node, uint flags, bool keepsCache)
    {
        var canRead = (flags & O_ACCMODE) != O_WRONLY;
        var canWrite = (flags & O_ACCMODE) != 0 || (flags & Interop.O_TRUNC) != 0;
        var handle = Interlocked.Increment(ref _lastHandle);
        node.Content!.Open(canRead, canWrite);
        _files[handle] = new OpenFile(Use(node), node.Content, canRead, canWrite);
        node.CachedBy ??= node.Content.Identity;
        return new OpenedFile(handle, keepsCache);
    }

    /// <summary>The node's content, made where it has none yet. The lock is held.</summary>
    private FileContent ContentOf(Node node)
    {
        if (node.Content is null)
        {
            var version = node.Listed ?? throw new FuseException(Errno.EIO, $"{node.Name} has no object");
            node.Content = Watched(node, _contents.Open(version, TargetOf(node, version.Bucket, version.Key)));
        }

        return node.Content;
    }

    /// <summary>Gives up a content that is not needed for now; a rename of a folder has those of its files in hand. The lock is held.</summary>
    private void Rest(Node node)
    {
        if (_moving is null && node.CanRest)
        {
            node.CachedBy = node.CachedBy == node.Content!.Identity ? node.Content.Version : null;
            node.LetGo();
        }
    }

    private FileContent NewContent(Node node, ContentTarget target) => Watched(node, _contents.Create(target));

    /// <summary>What was published may be forgotten; the event comes from the depth of an upload, so it is dealt with on its own.</summary>
    private FileContent Watched(Node node, FileContent content)
    {
        node.OnPublished = published => ThreadPool.UnsafeQueueUserWorkItem(_ =>
        {
            lock (Gate)
            {
                if (node.Content == published)
                {
                    node.Listed = published.Version;
                    node.ValidUntil = After(_options.FileTtl);
                    node.HasOwnAttributes &= node.WrittenChange != node.AttributeChanges;
                    if (node.Parent is { Folder: { } folder })
                    {
                        folder.NoteChange(new NameChange(node.Name, IsThere: true));
                        folder.Listing?.Names.TryAdd(node.Name, new ListedName(node.Name, IsFolder: false, null));
                    }

                    Rest(node);
                    _inodes.Release(node);
                }
            }
        }, null);
        content.Published += node.OnPublished;
        return content;
    }

    private OpenFile FileOf(ulong handle) =>
        _files.TryGetValue(handle, out var file) ? file : throw new FuseException(Errno.EBADF, $"there is no open file {handle}");

    private void Wrote(Node node, bool killsPrivileges)
    {
        lock (Gate)
        {
            node.MTime = node.CTime = Clock;
            node.HasSetMTime = false;
            node.Writes++;
            if (killsPrivileges)
            {
                DropPrivileges(node);
            }
        }
    }

    /// <summary>Set-user-id goes, set-group-id where the group may execute. The lock is held.</summary>
    private static void DropPrivileges(Node node)
    {
        const uint S_ISUID = 0x800;
        const uint S_ISGID = 0x400;
        const uint S_IXGRP = 0x8;
        node.Mode &= (node.Mode & S_IXGRP) != 0 ? ~(S_ISUID | S_ISGID) : ~S_ISUID;
    }

    private static long Length(ulong size) => size <= long.MaxValue ? (long)size : throw new FuseException(EOVERFLOW, "past what an object can hold");
}
