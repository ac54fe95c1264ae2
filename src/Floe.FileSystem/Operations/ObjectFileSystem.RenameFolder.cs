using System.Runtime.CompilerServices;
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
            // Its marker stays until that of the folder replaces it. A list of links without one would be the new folder's.
            if ((await RequireEmptyAsync(to, target, cancellationToken).ConfigureAwait(false)).Find(k => k != newPrefix) is { } list)
            {
                await bucket.DeleteAsync([list], cancellationToken).ConfigureAwait(false);
            }
        }
        else if ((await bucket.ListAsync(newPrefix, delimiter: null, token: null, 1, cancellationToken).ConfigureAwait(false)).Objects.Count > 0)
        {
            throw Appeared(to, newName);
        }

        var contents = ContentsBelow(node);
        // Until the end nothing goes to an old key: it would be left there, or miss in the copy.
        using var holds = new Holds();
        await HoldAllAsync(contents, holds, newPrefix, cancellationToken).ConfigureAwait(false);
        using var moved = new MovedObjects(KnownBelow(node, prefix), prefix, newPrefix, _contents.OpenUnnamed());
        var copier = new ObjectCopier(_buckets, _options, _logger);
        var marker = MarkerHeadersOf(node, newName) with { WriteId = ObjectHeaders.NewWriteId() };
        (long Copied, long Others) left;
        try
        {
            await CopyAllAsync(copier, bucket, moved, prefix, newPrefix, cancellationToken).ConfigureAwait(false);
            if (!moved.HasMarker)
            {
                moved.AddMarker(await PutAsync(bucket, newPrefix, default, marker, PutCondition.None).ConfigureAwait(false));
            }

            await KeepFolderAsync(from, cancellationToken).ConfigureAwait(false);
            left = await CountBelowAsync(bucket, prefix, moved, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await RemoveCopiesAsync(bucket, newPrefix, moved, keepsMarker: target is not null).ConfigureAwait(false);
            await RemoveLateAsync(copier, bucket, newPrefix, target is null ? marker.WriteId : null).ConfigureAwait(false);
            throw;
        }

        // From here on files are read from their copies, and nothing is interrupted.
        var places = RetargetAll(bucket.Bucket, contents, moved, prefix, newPrefix);
        Exception? failure = null;
        try
        {
            // What others have written meanwhile is not in the copies: it stays where it is.
            await RemoveBelowAsync(bucket, prefix, moved.Originals().Holds).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectStoreException or IOException)
        {
            var kept = await LeftBelowAsync(bucket, prefix, moved).ConfigureAwait(false);
            if (kept?.Copied == left.Copied)
            {
                places.ForEach(p => p.Content.Return(p.Place));
                await RemoveCopiesAsync(bucket, newPrefix, moved, keepsMarker: target is not null).ConfigureAwait(false);
                throw;
            }

            failure = kept is { Copied: 0 } ? null : e;
        }

        lock (Gate)
        {
            var name = node.Name;
            Follow(node, prefix, moved);
            if (to.Folder!.Children.TryGetValue(newName, out var replaced))
            {
                _inodes.Orphan(replaced);
            }

            _inodes.Move(node, to, newName);
            node.CTime = Clock;
            node.Folder!.HasMarker = true;
            node.ValidUntil = After(_options.FolderTtl);
            Changed(from, name, isThere: false);
            Changed(to, newName, isThere: true, isFolder: true);
            if (failure is not null || left.Others > 0)
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
        string bucket, List<(Node Node, FileContent Content, string Path)> contents, MovedObjects moved, string prefix, string newPrefix)
    {
        List<(FileContent, FileContent.Place)> places = [];
        foreach (var (node, content, path) in contents)
        {
            var place = TargetOf(node, bucket, newPrefix + path);
            // Without a version it goes to its new key when it goes up. Where others have replaced or removed its version, it fails there as it
            // would have here.
            var known = moved.KnownAt(prefix + path);
            var copy = known is var (original, made) && content.Knows(original.ETag) ? made : null;
            places.Add((content, content.Retarget(place, copy ?? content.Version, known?.Original == content.Version ? copy : null)));
        }

        return places;
    }

    /// <summary>Copied objects that are still under their old keys, and others that are there; null: the bucket does not say.</summary>
    private static async Task<(long Copied, long Others)?> LeftBelowAsync(IBucketClient bucket, string prefix, MovedObjects moved)
    {
        try
        {
            return await CountBelowAsync(bucket, prefix, moved, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectStoreException or IOException)
        {
            return null;
        }
    }

    private static async Task<(long Copied, long Others)> CountBelowAsync(IBucketClient bucket, string prefix, MovedObjects moved, CancellationToken cancellationToken)
    {
        var (copied, others) = (0L, 0L);
        var originals = moved.Originals();
        await foreach (var version in AllBelowAsync(bucket, prefix, cancellationToken).ConfigureAwait(false))
        {
            (copied, others) = originals.Holds(version) ? (copied + 1, others) : (copied, others + 1);
        }

        return (copied, others);
    }

    /// <summary>As far as the bucket lets it: the caller is told of the failure before.</summary>
    /// <param name="keepsMarker">An empty folder was to be replaced, and is one again.</param>
    private static async Task RemoveCopiesAsync(IBucketClient bucket, string newPrefix, MovedObjects moved, bool keepsMarker)
    {
        var copies = moved.Copies();
        try
        {
            await RemoveBelowAsync(bucket, newPrefix, v => copies.Holds(v) && !(keepsMarker && v.Key == newPrefix)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectStoreException or IOException)
        {
            // Then they stay beside what they were made of.
        }
    }

    /// <summary>The same of copies, and the folder's own object, that were made though no answer came.</summary>
    /// <param name="markerId">Null: the folder's own object stays.</param>
    private static async Task RemoveLateAsync(ObjectCopier copier, IBucketClient bucket, string newPrefix, string? markerId)
    {
        try
        {
            var keys = await copier.FindLateAsync().ConfigureAwait(false);
            if (markerId is null)
            {
                keys.Remove(newPrefix);
            }
            else if ((await bucket.HeadAsync(newPrefix, CancellationToken.None).ConfigureAwait(false))?.WriteId == markerId)
            {
                keys.Add(newPrefix);
            }

            if (keys.Count > 0)
            {
                await bucket.DeleteAsync(keys, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (ObjectStoreException)
        {
            // The same.
        }
    }

    private static async Task RemoveBelowAsync(IBucketClient bucket, string prefix, Func<ObjectVersion, bool> isChosen)
    {
        var keys = new List<string>(KeysPerPage);
        await foreach (var version in AllBelowAsync(bucket, prefix, CancellationToken.None).ConfigureAwait(false))
        {
            if (isChosen(version))
            {
                keys.Add(version.Key);
            }

            if (keys.Count == KeysPerPage)
            {
                await bucket.DeleteAsync(keys, CancellationToken.None).ConfigureAwait(false);
                keys.Clear();
            }
        }

        if (keys.Count > 0)
        {
            await bucket.DeleteAsync(keys, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Keys of the files below a folder that this mount knows of.</summary>
    private HashSet<string> KnownBelow(Node folder, string prefix)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        lock (Gate)
        {
            Collect(folder, prefix);
        }

        return keys;

        void Collect(Node from, string path)
        {
            foreach (var (name, child) in from.Folder!.Children)
            {
                if (child.Kind == NodeKind.Folder)
                {
                    Collect(child, $"{path}{name}/");
                }
                else
                {
                    keys.Add(path + name);
                }
            }
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

    /// <summary>Nothing goes up until the end. What is in the bucket but changed is copied as it is there, and the changes go up when all is done.</summary>
    private static async Task HoldAllAsync(
        List<(Node Node, FileContent Content, string Path)> contents, Holds holds, string newPrefix, CancellationToken cancellationToken)
    {
        foreach (var (_, content, path) in contents)
        {
            NameRules.Checked(newPrefix + path);
            holds.Add(await content.HoldAsync(cancellationToken).ConfigureAwait(false));
        }
    }

    private sealed class Holds : IDisposable
    {
        private readonly List<IDisposable> _holds = [];

        public void Add(IDisposable hold) => _holds.Add(hold);

        public void Dispose() => _holds.ForEach(h => h.Dispose());
    }

    private static async IAsyncEnumerable<ObjectVersion> AllBelowAsync(
        IBucketClient bucket, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var page in PagesBelowAsync(bucket, prefix, cancellationToken).ConfigureAwait(false))
        {
            foreach (var version in page)
            {
                yield return version;
            }
        }
    }

    private static async IAsyncEnumerable<List<ObjectVersion>> PagesBelowAsync(
        IBucketClient bucket, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? token = null;
        do
        {
            var page = await bucket.ListAsync(prefix, delimiter: null, token, KeysPerPage, cancellationToken).ConfigureAwait(false);
            yield return [.. page.Objects.Select(o => new ObjectVersion(bucket.Bucket, o.Key, o.ETag, o.Size))];
            token = page.NextToken;
        }
        while (token is not null);
    }

    /// <summary>The folder's objects, each noted before it is copied.</summary>
    private static async IAsyncEnumerable<MovedObjects.Item> NotedBelowAsync(
        IBucketClient bucket, MovedObjects moved, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var page in PagesBelowAsync(bucket, prefix, cancellationToken).ConfigureAwait(false))
        {
            foreach (var item in moved.Note(page))
            {
                yield return item;
            }
        }
    }

    private async Task CopyAllAsync(ObjectCopier copier, IBucketClient bucket, MovedObjects moved, string prefix, string newPrefix, CancellationToken cancellationToken)
    {
        await Parallel.ForEachAsync(
            NotedBelowAsync(bucket, moved, prefix, cancellationToken), new ParallelOptions { MaxDegreeOfParallelism = _options.MaxParallelCopies, CancellationToken = cancellationToken },
            async (item, token) =>
            {
                var newKey = NameRules.Checked(newPrefix + item.Version.Key[prefix.Length..]);
                moved.Add(item, await copier.CopyAsync(item.Version, bucket, newKey, null, PutCondition.IfAbsent, token).ConfigureAwait(false));
            }).ConfigureAwait(false);
    }

    /// <summary>Known files below stand for their copies now. The lock is held.</summary>
    private static void Follow(Node folder, string prefix, MovedObjects moved)
    {
        folder.Folder!.NoteMove();
        foreach (var (name, child) in folder.Folder.Children)
        {
            if (child.Kind == NodeKind.Folder)
            {
                Follow(child, $"{prefix}{name}/", moved);
            }
            else if (moved.KnownAt(prefix + name) is var (_, copy))
            {
                child.Listed = copy;
            }
        }
    }
}
