using System.Collections.Concurrent;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Metadata;
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

        var contents = ContentsBelow(node);
        // Until the end nothing goes to an old key: it would be left there, or miss in the copy.
        using var holds = new Holds();
        await HoldAllAsync(contents, holds, newPrefix, cancellationToken).ConfigureAwait(false);
        var versions = await AllBelowAsync(bucket, prefix, newPrefix, cancellationToken).ConfigureAwait(false);
        var copies = await CopyAllAsync(bucket, versions, prefix, newPrefix, cancellationToken).ConfigureAwait(false);
        foreach (var (below, path) in contents)
        {
            var place = TargetOf(below, bucket.Bucket, newPrefix + path);
            if (below.Content is { Version: null } unpublished)
            {
                // It goes to its new key when it goes up.
                unpublished.Retarget(place, null, null);
            }
            else if (below.Content is { Version: { } version } content && version.Key == prefix + path)
            {
                var copy = copies[version.Key];
                content.Retarget(place, copy, copy);
            }
        }

        if (!copies.ContainsKey(prefix))
        {
            var headers = new ObjectHeaders { Metadata = PosixMetadata.Encode(node.Mode, node.Uid, node.Gid, null) };
            await bucket.PutAsync(newPrefix, Array.Empty<byte>(), headers, PutCondition.None, cancellationToken).ConfigureAwait(false);
        }

        await KeepFolderAsync(from, cancellationToken).ConfigureAwait(false);
        foreach (var some in versions.Select(v => v.Key).Chunk(KeysPerPage))
        {
            await bucket.DeleteAsync(some, cancellationToken).ConfigureAwait(false);
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
        }
    }

    /// <summary>Files below a folder that have content, with their paths in it.</summary>
    private List<(Node Node, string Path)> ContentsBelow(Node folder)
    {
        var found = new List<(Node, string)>();
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
                else if (child.Content is not null)
                {
                    found.Add((child, path + name));
                }
            }
        }
    }

    /// <summary>What is in the bucket but changed is brought up to date first, to be copied with the rest; then nothing goes up until the end.</summary>
    private static async Task HoldAllAsync(List<(Node Node, string Path)> contents, Holds holds, string newPrefix, CancellationToken cancellationToken)
    {
        foreach (var (node, path) in contents)
        {
            NameRules.Checked(newPrefix + path);
            if (node.Content is { Version: not null, IsDirty: true } changed)
            {
                await changed.SyncAsync(cancellationToken).ConfigureAwait(false);
            }

            holds.Add(await node.Content!.HoldAsync(cancellationToken).ConfigureAwait(false));
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

    /// <summary>The copies by their old keys. All or nothing: after a failure those that were made are removed.</summary>
    private async Task<ConcurrentDictionary<string, ObjectVersion>> CopyAllAsync(
        IBucketClient bucket, List<ObjectVersion> versions, string prefix, string newPrefix, CancellationToken cancellationToken)
    {
        var copies = new ConcurrentDictionary<string, ObjectVersion>(StringComparer.Ordinal);
        var copier = new ObjectCopier(_buckets, _options);
        try
        {
            await Parallel.ForEachAsync(versions, new ParallelOptions { MaxDegreeOfParallelism = _options.MaxParallelCopies, CancellationToken = cancellationToken }, async (version, token) =>
                copies[version.Key] = await copier.CopyAsync(version, bucket, newPrefix + version.Key[prefix.Length..], null, token).ConfigureAwait(false)).ConfigureAwait(false);
            return copies;
        }
        catch
        {
            foreach (var some in copies.Values.Select(c => c.Key).Chunk(KeysPerPage))
            {
                await bucket.DeleteAsync(some, CancellationToken.None).ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>Known files below stand for their copies now. The lock is held.</summary>
    private static void Follow(Node folder, string prefix, ConcurrentDictionary<string, ObjectVersion> copies)
    {
        foreach (var (name, child) in folder.Folder!.Children)
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
