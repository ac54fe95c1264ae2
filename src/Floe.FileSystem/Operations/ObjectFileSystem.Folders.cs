using System.Text;
using Floe.FileSystem.Directories;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Moving;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>Reading folders: pages of the bucket's listing, each merged with the names that only this mount has; the next one is fetched meanwhile.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>d_ino of a name that has no node yet.</summary>
    private const ulong UnknownIno = 0xFFFFFFFF;

    public ulong OpenFolder(ulong ino)
    {
        var folder = _inodes.GetFolder(ino);
        var handle = Interlocked.Increment(ref _lastHandle);
        IReadOnlyList<ListingState> carried;
        lock (Gate)
        {
            Use(folder);
            carried = CarriedOf(folder);
        }

        _folders[handle] = new FolderReader(folder, carried);
        return handle;
    }

    public void ReleaseFolder(ulong handle)
    {
        if (_folders.TryRemove(handle, out var reader))
        {
            Drop(reader.Folder);
        }
    }

    /// <summary>fsync of a folder: names that were made in it are in the bucket already, but for lists of links.</summary>
    public async ValueTask SyncFolderAsync(ulong handle, CancellationToken cancellationToken)
    {
        if (_folders.TryGetValue(handle, out var reader) && reader.Folder.Folder!.IsInBucket)
        {
            string prefix;
            lock (Gate)
            {
                prefix = PrefixOf(reader.Folder);
            }

            await _links.DrainAsync(reader.Folder.Folder.Bucket!, prefix, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Fills the buffer from an offset on; 0 is the start, and looks anew.</summary>
    public async ValueTask ReadFolderAsync(ulong handle, ulong offset, IFuseDirectoryBuffer buffer, CancellationToken cancellationToken)
    {
        if (!_folders.TryGetValue(handle, out var reader))
        {
            throw new FuseException(Errno.EBADF, $"there is no open folder {handle}");
        }

        using var reading = await reader.Reading.EnterAloneAsync(cancellationToken).ConfigureAwait(false);
        if (offset == 0)
        {
            reader.Rewind();
        }

        if (offset < FolderReader.FirstNameOffset && !AddDots(reader.Folder, ref offset, buffer))
        {
            return;
        }

        List<string?> keys = [];
        var first = offset;
        await FillAsync(reader, offset, buffer, keys, cancellationToken).ConfigureAwait(false);
        if (keys.Count > 0)
        {
            reader.Given = new FolderAnswer(first, keys);
        }
    }

    /// <param name="keys">Gets the key before the offset, and those that were given out or passed.</param>
    private async ValueTask FillAsync(FolderReader reader, ulong offset, IFuseDirectoryBuffer buffer, List<string?> keys, CancellationToken cancellationToken)
    {
        // From page to page, and not by the offset: it says where a page begins only as long as no page before has other names.
        for (var page = await PageAsync(reader, offset, cancellationToken).ConfigureAwait(false); page is not null;
            page = await PageBehindAsync(reader, page, cancellationToken).ConfigureAwait(false))
        {
            if (keys.Count == 0 && offset <= page.End)
            {
                keys.Add(page.KeyBefore(offset));
            }

            for (; offset < page.End; offset++)
            {
                var listed = page.Names[(int)(offset - page.Offset)];
                if (!TryAdd(reader, page, listed, offset + 1, buffer))
                {
                    return;
                }

                keys.Add(listed.Key);
            }
        }
    }

    private bool AddDots(Node folder, ref ulong offset, IFuseDirectoryBuffer buffer)
    {
        lock (Gate)
        {
            if (offset == 0)
            {
                if (!buffer.TryAdd("."u8, folder.Ino, folder.Mode, 1))
                {
                    return false;
                }

                offset = 1;
            }

            var parent = folder.Parent ?? folder;
            if (!buffer.TryAdd(".."u8, parent.Ino, parent.Mode, 2))
            {
                return false;
            }

            offset = 2;
            return true;
        }
    }

    /// <summary>A page that holds an offset, or ends at it, or lies before it.</summary>
    private async ValueTask<ReadPage> PageAsync(FolderReader reader, ulong offset, CancellationToken cancellationToken) =>
        reader.Held(offset) ?? await EnterAsync(reader, reader.StartOf(offset), cancellationToken).ConfigureAwait(false);

    /// <summary>Null: there is none.</summary>
    private async ValueTask<ReadPage?> PageBehindAsync(FolderReader reader, ReadPage page, CancellationToken cancellationToken) => page.Next is not { } next
        ? null : reader.HeldBehind(page) ?? await EnterAsync(reader, next, cancellationToken).ConfigureAwait(false);

    private async ValueTask<ReadPage> EnterAsync(FolderReader reader, FolderReader.Start start, CancellationToken cancellationToken)
    {
        var ahead = reader.Next is { } next && next.Start == start ? reader.Next : null;
        reader.Next = null;
        ReadPage page;
        try
        {
            page = await (ahead is { Page: var fetched } ? fetched.WaitAsync(cancellationToken) : FetchAsync(reader, start, cancellationToken)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It goes on, for whoever reads next.
            reader.Next = ahead;
            throw;
        }

        reader.Enter(page);
        if (page.Next is { } following)
        {
            reader.Next = (following, FetchAsync(reader, following, CancellationToken.None));
        }

        return page;
    }

    private async Task<ReadPage> FetchAsync(FolderReader reader, FolderReader.Start start, CancellationToken cancellationToken)
    {
        while (true)
        {
            bool isMoving;
            lock (Gate)
            {
                isMoving = IsMoving(reader.Folder);
            }

            if (isMoving)
            {
                await MovedAsync(cancellationToken).ConfigureAwait(false);
            }

            if (await TryFetchAsync(reader, start, cancellationToken).ConfigureAwait(false) is { } page)
            {
                return page;
            }
        }
    }

    /// <summary>Null: the folder was renamed meanwhile.</summary>
    private async Task<ReadPage?> TryFetchAsync(FolderReader reader, FolderReader.Start start, CancellationToken cancellationToken)
    {
        var folder = reader.Folder;
        if (!folder.Folder!.IsInBucket)
        {
            return await BucketsAsync(folder, start, cancellationToken).ConfigureAwait(false);
        }

        IBucketClient bucket;
        string prefix;
        long changes;
        NameWatch watch;
        List<Node> own;
        lock (Gate)
        {
            if (folder.IsUnlinked)
            {
                return new ReadPage(start, [], null);
            }

            bucket = _buckets.Open(folder.Folder.Bucket!);
            prefix = PrefixOf(folder);
            changes = folder.Folder.Changes;
            watch = folder.Folder.WatchPage();
            own = [.. folder.Folder.Children.Values.Where(c => c.IsOwn)];
        }

        // The token is for the name that the folder had when it was given.
        var token = start.Prefix == prefix ? start.Token : null;
        var after = token is null && start.After is { } key ? prefix + Behind(key) : null;
        var validUntil = After(_options.FileTtl);
        var writes = _links.Writes(bucket.Bucket, prefix);
        var answer = await bucket.ListAsync(
            prefix, "/", token, _options.PageEntries, cancellationToken, after).ConfigureAwait(false);
        var isFirst = start.After is null;
        if (isFirst || reader.Links is null)
        {
            // On a page that is not the last the list may come later, and behind the first it may have come before.
            var isListed = !isFirst || answer.NextToken is not null || answer.Objects.Any(o => o.Key == prefix + LinkList.Name);
            reader.Links = await LinksAsync(folder, bucket, isListed ? null : writes, cancellationToken).ConfigureAwait(false);
        }

        var last = answer.NextToken is null ? null : LastOf(answer)[prefix.Length..];
        var listed = ListedNames.Of(prefix, answer).ToList();
        lock (Gate)
        {
            if (!folder.IsUnlinked && (IsMoving(folder) || PrefixOf(folder) != prefix))
            {
                return null;
            }

            if (isFirst && answer.NextToken is null && folder.Folder.Changes == changes)
            {
                _listings.Keep(folder.Folder, new FolderListing(ByName(listed), validUntil), Now);
            }

            if (answer.Objects.Any(o => o.Key == prefix))
            {
                folder.Folder.HasMarker = true;
            }

            var names = Merge(folder, listed, own, start.After, last);
            FolderReader.Start? next = answer.NextToken is { } nextToken ? new(start.Offset + (ulong)names.Count, nextToken, last, prefix) : null;
            return new ReadPage(start, names, next) { ValidUntil = validUntil, Watch = watch };
        }
    }

    /// <summary>Behind a key, and behind every key of a folder.</summary>
    private static string Behind(string key) => key.EndsWith('/') ? key + "\U0010FFFF" : key;

    /// <summary>A folder hides an object of the same name.</summary>
    private static Dictionary<string, ListedName> ByName(List<ListedName> listed)
    {
        var names = new Dictionary<string, ListedName>(listed.Count, StringComparer.Ordinal);
        foreach (var one in listed)
        {
            if (one.IsFolder || !names.TryGetValue(one.Name, out var other) || !other.IsFolder)
            {
                names[one.Name] = one;
            }
        }

        return names;
    }

    /// <summary>
    /// The page's names without doubles and without those that this mount removed, and with its own names of the same range of keys. The lock is held.
    /// </summary>
    /// <param name="before">Nodes that were this mount's own when the page was asked for: they may have been published behind it.</param>
    private List<ListedName> Merge(Node folder, List<ListedName> listed, List<Node> before, string? after, string? last)
    {
        var names = ByName(listed);
        var merged = listed.Where(one => names[one.Name] == one && !IsRemoved(folder.Folder!, one)).ToList();
        var own = folder.Folder!.Children.Values.Where(c => c.IsOwn).Union(before.Where(c => c.Parent == folder))
            .Where(c => !names.ContainsKey(c.Name))
            .Select(c => new ListedName(c.Name, c.Kind == NodeKind.Folder, null))
            .Where(c => (after is null || NameRules.Compare(c.Key, after) > 0) && (last is null || NameRules.Compare(c.Key, last) <= 0))
            .ToList();
        if (own.Count > 0)
        {
            merged.AddRange(own);
            merged.Sort(static (a, b) => NameRules.Compare(a.Key, b.Key));
        }

        return merged;
    }

    private bool IsRemoved(FolderState folder, ListedName listed) =>
        folder.Missing.TryGetValue(listed.Name, out var until) && until > Now && !folder.Children.ContainsKey(listed.Name);

    private static string LastOf(BucketPage page)
    {
        var lastObject = page.Objects.Count > 0 ? page.Objects[^1].Key : "";
        var lastFolder = page.Prefixes.Count > 0 ? page.Prefixes[^1] : "";
        return NameRules.Compare(lastObject, lastFolder) > 0 ? lastObject : lastFolder;
    }

    private bool TryAdd(FolderReader reader, ReadPage page, ListedName listed, ulong nextOffset, IFuseDirectoryBuffer buffer)
    {
        var name = Encoding.UTF8.GetBytes(listed.Name);
        lock (Gate)
        {
            var folder = reader.Folder.Folder!;
            var isLink = (folder.Links ?? reader.Links)?.Contains(listed.Name) == true;
            var kind = listed.IsFolder ? NodeKind.Folder : isLink ? NodeKind.Link : NodeKind.File;
            bool? isThere = null;
            var hasChanged = page.Watch?.HasChanged(listed.Name, out isThere) == true || IsMoving(reader.Folder);
            var node = folder.Children.GetValueOrDefault(listed.Name);
            if (!hasChanged && (node is null || !IsNewer(node, page)))
            {
                node = Listed(reader.Folder, listed, kind, page.ValidUntil, mayMake: buffer.TakesEntries && _inodes.Count < _options.MaxListedNodes);
            }

            if (node is null)
            {
                // A name that went since it was listed is left out.
                return isThere == false || ((listed.Object is null || isThere is null) && IsRemoved(folder, listed))
                    || buffer.TryAdd(name, UnknownIno, Node.TypeOf(kind), nextOffset);
            }

            if (!buffer.TakesEntries)
            {
                return buffer.TryAdd(name, node.Ino, node.Mode, nextOffset);
            }

            if (buffer.TryAdd(name, EntryOf(node), nextOffset))
            {
                return true;
            }

            node.Lookups--;
            _inodes.Release(node);
            return false;
        }
    }

    /// <summary>Whether what is known of a file is younger than the page, or the page so old that nothing is to follow from it. The lock is held.</summary>
    private bool IsNewer(Node node, ReadPage page) => node.Kind != NodeKind.Folder && page.Watch is not null && (node.ValidUntil > page.ValidUntil || page.ValidUntil <= Now);

    /// <summary>The node of a listed name, brought up to date by the listing; null: none is known, and none is to be made. The lock is held.</summary>
    private Node? Listed(Node folder, ListedName listed, NodeKind kind, long validUntil, bool mayMake)
    {
        folder.Folder!.Children.TryGetValue(listed.Name, out var node);
        if (node is not null && HoldsOwn(node))
        {
            return node;
        }

        if (node is not null && (node.Kind != kind && !(kind == NodeKind.File && node.Kind == NodeKind.Link && IsUnchanged(node, listed))))
        {
            _inodes.Orphan(node);
            node = null;
        }

        if (node is null)
        {
            // A bucket's is made by whoever looks it up.
            if (!mayMake || !folder.Folder.IsInBucket || listed.Name == folder.Folder.Arriving || (listed.Object is null && !listed.IsFolder))
            {
                return null;
            }

            node = _inodes.Add(folder, listed.Name, kind);
            SetDefaults(node);
        }

        if (listed.IsFolder)
        {
            node.ValidUntil = After(_options.FolderTtl);
        }
        else if (listed.Object is { } found && !TryDescribe(node, folder.Folder.Bucket!, found, validUntil))
        {
            _inodes.Orphan(node);
            return Listed(folder, listed, kind, validUntil, mayMake);
        }

        return node;
    }

    /// <summary>A link that HEAD told of, and that the folder's list does not name.</summary>
    private static bool IsUnchanged(Node node, ListedName listed) => listed.Object is { } found && IsSame(node, found.ETag);
}
