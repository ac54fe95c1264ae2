using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Metadata;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>From a name to a node: what is known, and what the bucket says.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>So many lookups within <see cref="FileSystemOptions.FileTtl"/> make a listing of the folder cheaper than asking for each.</summary>
    private const int LookupsWorthAPage = 3;

    private const int LookupsWorthTenPages = 24;

    /// <summary>What the bucket has under a name; default: nothing.</summary>
    private readonly record struct Found(bool IsFolder, bool HasMarker, BucketObject? Object, bool IsLink);

    /// <summary>The node of a name, or <see cref="FuseEntry.None"/>. Counts as a lookup.</summary>
    public async ValueTask<FuseEntry> LookupAsync(ulong parent, string name, CancellationToken cancellationToken)
    {
        var folder = _inodes.GetFolder(parent);
        Node? node;
        try
        {
            node = await ResolveAsync(folder, name, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind != ObjectStoreErrorKind.NotFound)
        {
            // An error makes the kernel take the name from whoever has the file open, as FuseEntry.None tells. It is pinned to its version anyway.
            lock (Gate)
            {
                node = folder.Folder!.Children.GetValueOrDefault(name);
                if (node is not { Kind: NodeKind.File, Uses: > 0 })
                {
                    throw;
                }

                Use(node);
            }
        }

        lock (Gate)
        {
            if (node is null)
            {
                return FuseEntry.None(MissingFor(folder.Folder!, name));
            }

            node.Uses--;
            return EntryOf(node);
        }
    }

    /// <summary>The node of a name, used (<see cref="Drop"/> it); null: there is none.</summary>
    private async ValueTask<Node?> ResolveAsync(Node folder, string name, CancellationToken cancellationToken)
    {
        if (!NameRules.IsVisible(name))
        {
            return null;
        }

        const int MaxTries = 10;
        for (var attempt = 1; ; attempt++)
        {
            List<NameChange> changes;
            int pages;
            bool isMoving;
            lock (Gate)
            {
                if (TryKnown(folder, name, out var known))
                {
                    return known is null ? null : Use(known);
                }

                isMoving = IsMoving(folder);
            }

            if (isMoving)
            {
                await MovedAsync(cancellationToken).ConfigureAwait(false);
            }

            lock (Gate)
            {

                changes = folder.Folder!.Watch();
                pages = PagesWorthListing(folder.Folder);
            }

            try
            {
                if (!folder.Folder.IsInBucket)
                {
                    return await ResolveBucketAsync(folder, name, cancellationToken).ConfigureAwait(false);
                }

                var found = await AskAsync(folder, name, pages, cancellationToken).ConfigureAwait(false);
                lock (Gate)
                {
                    if (!IsMoving(folder) && (attempt >= MaxTries || !changes.Exists(c => c.Concerns(name))))
                    {
                        var node = TryKnown(folder, name, out var known) ? known : Apply(folder, name, found);
                        return node is null ? null : Use(node);
                    }
                }
            }
            finally
            {
                lock (Gate)
                {
                    folder.Folder.Unwatch(changes);
                }
            }
        }
    }

    /// <summary>Whether the answer is known without asking. The lock is held.</summary>
    private bool TryKnown(Node folder, string name, out Node? known)
    {
        var state = folder.Folder!;
        if (state.Children.TryGetValue(name, out known))
        {
            return known.IsOwn || (known.ValidUntil > Now && (known.Kind == NodeKind.Folder || known.HasStoredAttributes));
        }

        if (state.Arriving == name || (state.Missing.TryGetValue(name, out var until) && until > Now))
        {
            return true;
        }

        if (state.Listing is not { } listing || listing.ValidUntil <= Now)
        {
            return false;
        }

        if (!listing.Names.TryGetValue(name, out var listed))
        {
            return true;
        }

        if (listed.IsFolder)
        {
            known = Apply(folder, name, new Found(IsFolder: true, HasMarker: false, null, IsLink: false));
            return true;
        }

        return false;
    }

    /// <summary>How many pages of the folder's listing are worth asking for instead of one name. The lock is held.</summary>
    private int PagesWorthListing(FolderState state)
    {
        if (Now - state.AskedSince > Ticks(_options.FileTtl))
        {
            state.AskedSince = Now;
            state.Asked = 0;
        }

        state.Asked++;
        if (state.Listing is { } listing && listing.ValidUntil > Now)
        {
            return 0;
        }

        var pages = state.Asked >= LookupsWorthTenPages ? 10 : state.Asked >= LookupsWorthAPage ? 1 : 0;
        return pages > state.TooLargeForPages || state.TooLargeUntil <= Now ? pages : 0;
    }

    private async Task<Found> AskAsync(Node folder, string name, int pages, CancellationToken cancellationToken)
    {
        var (bucket, key) = KeyOf(folder, name);
        if (pages > 0 && await ListWholeAsync(folder, bucket, key[..^name.Length], pages, cancellationToken).ConfigureAwait(false) is { } listing)
        {
            ListedName? listed;
            lock (Gate)
            {
                if (!listing.Names.TryGetValue(name, out listed))
                {
                    return default;
                }
            }

            if (listed.IsFolder)
            {
                return new Found(IsFolder: true, HasMarker: false, null, IsLink: false);
            }
        }
        else if (!IsListedAsFile(folder, name))
        {
            var below = bucket.ListAsync(key + "/", delimiter: null, token: null, 1, cancellationToken);
            var head = bucket.HeadAsync(key, cancellationToken);
            await Task.WhenAll(below, head).ConfigureAwait(false);
            var page = await below.ConfigureAwait(false);
            if (page.Objects.Count > 0)
            {
                return new Found(IsFolder: true, HasMarker: page.Objects[0].Key == key + "/", null, IsLink: false);
            }

            return await FileAsync(folder, name, bucket, await head.ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }

        return await FileAsync(folder, name, bucket, await bucket.HeadAsync(key, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A complete listing is at hand and says that the name is an object: only its metadata are missing.</summary>
    private bool IsListedAsFile(Node folder, string name)
    {
        lock (Gate)
        {
            return folder.Folder!.Listing is { } listing && listing.ValidUntil > Now && listing.Names.TryGetValue(name, out var listed) && listed.Object is not null;
        }
    }

    private async Task<Found> FileAsync(Node folder, string name, IBucketClient bucket, BucketObject? head, CancellationToken cancellationToken)
    {
        if (head is null)
        {
            return default;
        }

        var stored = PosixMetadata.Decode(head.Metadata);
        var isLink = PosixMetadata.IsLink(stored);
        if (!isLink && stored.Mode is null && head.Size is > 0 and < 4096)
        {
            // Links that Fusion made carry no mark of their own.
            var links = await LinksAsync(folder, bucket, null, cancellationToken).ConfigureAwait(false);
            lock (Gate)
            {
                isLink = links.Contains(name);
            }
        }

        return new Found(IsFolder: false, HasMarker: false, head, isLink);
    }

    /// <summary>The names in the folder's list of links: the set itself, which may be long, to be looked at under the lock.</summary>
    /// <param name="unlistedSince">
    /// What <see cref="LinkListWriter.Writes"/> said before a listing that showed no list: unless one was written since, asking for it is spared.
    /// </param>
    private async Task<HashSet<string>> LinksAsync(Node folder, IBucketClient bucket, long? unlistedSince, CancellationToken cancellationToken)
    {
        SharedLock reading;
        lock (Gate)
        {
            reading = folder.Folder!.ReadingLinks ??= new SharedLock();
        }

        // Who comes meanwhile finds what was read.
        using var alone = await reading.EnterAloneAsync(cancellationToken).ConfigureAwait(false);
        while (true)
        {
            string prefix;
            long moves, writes;
            lock (Gate)
            {
                prefix = PrefixOf(folder);
                moves = folder.Folder!.Moves;
                writes = _links.Writes(bucket.Bucket, prefix);
                if (folder.Folder.Links is { } known && folder.Folder.LinksUntil > Now)
                {
                    return known;
                }
            }

            var names = unlistedSince != writes ? await _links.ReadAsync(bucket, prefix, cancellationToken).ConfigureAwait(false) : [];
            lock (Gate)
            {
                // A link that was made or removed meanwhile is among the changes, or was written since: then it may be in neither.
                _links.Complete(bucket.Bucket, prefix, names);
                if (folder.Folder.Moves == moves && _links.Writes(bucket.Bucket, prefix) == writes)
                {
                    folder.Folder.Links = names;
                    folder.Folder.LinksUntil = After(_options.FolderTtl);
                    return names;
                }
            }
        }
    }

    private async ValueTask<Node?> ResolveBucketAsync(Node folder, string name, CancellationToken cancellationToken)
    {
        if (folder == _inodes.Root)
        {
            return null;
        }

        try
        {
            if (!await _buckets.Open(name).ExistsAsync(cancellationToken).ConfigureAwait(false))
            {
                lock (Gate)
                {
                    Missed(folder.Folder!, name);
                }

                return null;
            }
        }
        catch (ArgumentException)
        {
            return null;
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.AccessDenied)
        {
            // These credentials may be good for some of its keys; each will tell.
        }

        lock (Gate)
        {
            if (!folder.Folder!.Children.TryGetValue(name, out var node))
            {
                node = _inodes.Add(folder, name, NodeKind.Folder, new FolderState { Bucket = name, RootPrefix = "", IsPinned = true });
                SetDefaults(node);
            }

            return Use(node);
        }
    }
}
