using System.Collections.Concurrent;
using Floe.FileSystem.Content;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Names;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>Renaming a folder: every key below it. Nobody else changes a name of the mount meanwhile.</summary>
public sealed partial class ObjectFileSystem
{
    private const int KeysPerPage = 1000;

    /// <summary>The folder that is being renamed: one at a time.</summary>
    private Node? _moving;

    /// <summary>
    /// What a use of a file's content gives, under the lock. A file without one, in a folder that is being renamed, gets it when that is done: the
    /// rename does not know it, and it would go on at the old key.
    /// </summary>
    private async ValueTask<T> WithContentAsync<T>(Node node, Func<FileContent, T> use, CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (Gate)
            {
                if (node.Content is not null || !IsMoving(node))
                {
                    return use(ContentOf(node));
                }
            }

            await MovedAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Whether it is, or lies in, a folder that is being renamed. The bucket is not asked for names in it: they are under both keys for a while, and
    /// what it says of the old ones may come when they are gone. The lock is held.
    /// </summary>
    private bool IsMoving(Node node) => _moving is not null && IsOrHolds(_moving, node);

    /// <summary>Until no folder is being renamed. Not for who holds the tree.</summary>
    private async ValueTask MovedAsync(CancellationToken cancellationToken)
    {
        using var tree = await _tree.EnterSharedAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task MoveFolderAsync(Node from, Node node, Node to, string newName, Node? target, CancellationToken cancellationToken)
    {
        var (bucket, key) = KeyOf(from, node.Name);
        var (newBucket, newKey) = KeyOf(to, newName);
        if (bucket.Bucket != newBucket.Bucket)
        {
            // mv then copies by itself.
            throw new FuseException(Errno.EXDEV, "a folder stays in its bucket");
        }

        var (prefix, newPrefix) = (key + "/", NameRules.Checked(newKey + "/"));
        await _links.DrainAsync(cancellationToken).ConfigureAwait(false);
        if (target is not null)
        {
            using var within = await target.Folder!.Changing.EnterAloneAsync(cancellationToken).ConfigureAwait(false);
            await RemoveEmptyAsync(to, target, cancellationToken).ConfigureAwait(false);
        }
        else if ((await bucket.ListAsync(newPrefix, delimiter: null, token: null, 1, cancellationToken).ConfigureAwait(false)).Objects.Count > 0)
        {
            throw Appeared(to, newName);
        }

        var contents = ContentsBelow(node);
        // Until the end nothing goes to an old key: it would be left there, or miss in the copy.
        using var holds = new Holds();
        await HoldAllAsync(contents, holds, newPrefix, cancellationToken).ConfigureAwait(false);
        var versions = await AllBelowAsync(bucket, prefix, newPrefix, cancellationToken).ConfigureAwait(false);
        var copies = new ConcurrentDictionary<string, ObjectVersion>(StringComparer.Ordinal);
        List<ObjectVersion> left;
        try
        {
            await CopyAllAsync(bucket, versions, copies, prefix, newPrefix, cancellationToken).ConfigureAwait(false);
            if (!copies.ContainsKey(prefix))
            {
                var etag = await bucket.PutAsync(newPrefix, Array.Empty<byte>(), MarkerHeadersOf(node, newName), PutCondition.None, cancellationToken).ConfigureAwait(false);
                copies[prefix] = new ObjectVersion(bucket.Bucket, newPrefix, etag, 0);
            }

            await KeepFolderAsync(from, cancellationToken).ConfigureAwait(false);
            left = await AllBelowAsync(bucket, prefix, newPrefix, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await RemoveCopiesAsync(bucket, copies.Values).ConfigureAwait(false);
            throw;
        }

        // What others have written meanwhile is not in the copies: it stays where it is.
        var copied = versions.ToHashSet();
        var others = left.RemoveAll(version => !copied.Contains(version));

        // From here on files are read from their copies, and nothing is interrupted.
        var places = RetargetAll(bucket.Bucket, contents, versions, copies, prefix, newPrefix);
        ObjectStoreException? failure = null;
        try
        {
            await RemoveAsync(bucket, left).ConfigureAwait(false);
        }
        catch (ObjectStoreException e)
        {
            var kept = await LeftBelowAsync(bucket, prefix).ConfigureAwait(false);
            if (kept is not null && left.ToHashSet().IsSubsetOf(kept))
            {
                places.ForEach(p => p.Content.Return(p.Place));
                await RemoveCopiesAsync(bucket, copies.Values).ConfigureAwait(false);
                throw;
            }

            failure = kept is { Count: 0 } ? null : e;
        }

        lock (Gate)
        {
            var name = node.Name;
            Follow(node, prefix, copies);
            _inodes.Move(node, to, newName);
            node.CTime = Clock;
            node.Folder!.HasMarker = true;
            node.ValidUntil = After(_options.FolderTtl);
            Changed(from, name, isThere: false);
            Changed(to, newName, isThere: true, isFolder: true);
            if (failure is not null || others > 0)
            {
                Doubt(from, name);
            }
        }

        if (failure is not null)
        {
            // All is under the new name, and what could not be deleted is under the old one too.
            throw failure;
        }
    }

    /// <summary>Files whose objects were copied go where the copies are; gives where they went before.</summary>
    private List<(FileContent Content, FileContent.Place Place)> RetargetAll(
        string bucket, List<(Node Node, FileContent Content, string Path)> contents, List<ObjectVersion> versions,
        ConcurrentDictionary<string, ObjectVersion> copies, string prefix, string newPrefix)
    {
        var known = versions.ToDictionary(v => v.Key, StringComparer.Ordinal);
        List<(FileContent, FileContent.Place)> places = [];
        foreach (var (node, content, path) in contents)
        {
            var place = TargetOf(node, bucket, newPrefix + path);
            // Without a version it goes to its new key when it goes up. Where others have replaced or removed its version, it fails there as it
            // would have here.
            var there = known.GetValueOrDefault(prefix + path);
            var copy = there is not null && content.Knows(there.ETag) ? copies[there.Key] : null;
            places.Add((content, content.Retarget(place, copy ?? content.Version, there == content.Version ? copy : null)));
        }

        return places;
    }

    /// <summary>What is still there after a deletion that failed; null: the bucket does not say.</summary>
    private static async Task<List<ObjectVersion>?> LeftBelowAsync(IBucketClient bucket, string prefix)
    {
        try
        {
            return await AllBelowAsync(bucket, prefix, prefix, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            return null;
        }
    }

    /// <summary>As far as the bucket lets it: the caller is told of the failure before.</summary>
    private static async Task RemoveCopiesAsync(IBucketClient bucket, IEnumerable<ObjectVersion> copies)
    {
        try
        {
            await RemoveAsync(bucket, copies).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            // Then they stay beside what they were made of.
        }
    }

    private static async Task RemoveAsync(IBucketClient bucket, IEnumerable<ObjectVersion> versions)
    {
        foreach (var some in versions.Select(v => v.Key).Chunk(KeysPerPage))
        {
            await bucket.DeleteAsync(some, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Files below a folder that have content (but for ghosts, which go nowhere), with their paths in it.</summary>
    private List<(Node Node, FileContent Content, string Path)> ContentsBelow(Node folder)
    {
        var found = new List<(Node, FileContent, string)>();
        lock (Gate)
        {
            Collect(folder, "");
        }

        return found;

        void Collect(Node from, string path)
        {
            foreach (var (name, child) in from.Folder!.Children)
            {
                if (child.Kind == NodeKind.Folder)
                {
                    Collect(child, $"{path}{name}/");
                }
                else if (child.Content is { Target: not null } content)
                {
                    found.Add((child, content, path + name));
                }
            }
        }
    }

    /// <summary>What is in the bucket but changed is brought up to date first, to be copied with the rest; then nothing goes up until the end.</summary>
    private static async Task HoldAllAsync(
        List<(Node Node, FileContent Content, string Path)> contents, Holds holds, string newPrefix, CancellationToken cancellationToken)
    {
        foreach (var (_, content, path) in contents)
        {
            NameRules.Checked(newPrefix + path);
            if (content is { Version: not null, IsDirty: true })
            {
                await content.SyncAsync(cancellationToken).ConfigureAwait(false);
            }

            holds.Add(await content.HoldAsync(cancellationToken).ConfigureAwait(false));
        }
    }

    private sealed class Holds : IDisposable
    {
        private readonly List<IDisposable> _holds = [];

        public void Add(IDisposable hold) => _holds.Add(hold);

        public void Dispose() => _holds.ForEach(h => h.Dispose());
    }

    private static async Task<List<ObjectVersion>> AllBelowAsync(IBucketClient bucket, string prefix, string newPrefix, CancellationToken cancellationToken)
    {
        var versions = new List<ObjectVersion>();
        string? token = null;
        do
        {
            var page = await bucket.ListAsync(prefix, delimiter: null, token, KeysPerPage, cancellationToken).ConfigureAwait(false);
            foreach (var found in page.Objects)
            {
                NameRules.Checked(newPrefix + found.Key[prefix.Length..]);
                versions.Add(new ObjectVersion(bucket.Bucket, found.Key, found.ETag, found.Size));
            }

            token = page.NextToken;
        }
        while (token is not null);
        return versions;
    }

    /// <summary>Makes the copies, by their old keys.</summary>
    private async Task CopyAllAsync(
        IBucketClient bucket, List<ObjectVersion> versions, ConcurrentDictionary<string, ObjectVersion> copies, string prefix, string newPrefix, CancellationToken cancellationToken)
    {
        var copier = new ObjectCopier(_buckets, _options);
        await Parallel.ForEachAsync(versions, new ParallelOptions { MaxDegreeOfParallelism = _options.MaxParallelCopies, CancellationToken = cancellationToken }, async (version, token) =>
            copies[version.Key] = await copier.CopyAsync(version, bucket, newPrefix + version.Key[prefix.Length..], null, PutCondition.IfAbsent, token).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>Known files below stand for their copies now. The lock is held.</summary>
    private static void Follow(Node folder, string prefix, ConcurrentDictionary<string, ObjectVersion> copies)
    {
        folder.Folder!.NoteMove();
        foreach (var (name, child) in folder.Folder.Children)
        {
            if (child.Kind == NodeKind.Folder)
            {
                Follow(child, $"{prefix}{name}/", copies);
            }
            else if (copies.TryGetValue(prefix + name, out var copy))
            {
                child.Listed = copy;
            }
        }
    }
}
