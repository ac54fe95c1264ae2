using Floe.FileSystem.Inodes;
using Floe.FileSystem.Metadata;
using Floe.Fuse;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>How the bucket's answers change the tree. Everything here runs under the lock.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Makes the tree agree with the bucket's answer about a name, as far as nothing of this mount is lost.</summary>
    private Node? Apply(Node folder, string name, in Found found)
    {
        var state = folder.Folder!;
        state.Children.TryGetValue(name, out var node);
        if (found is { IsFolder: false, Object: null })
        {
            Missed(state, name);
            if (node is not null && !HoldsOwn(node))
            {
                _inodes.Orphan(node);
                node = null;
            }

            return node;
        }

        var kind = found.IsFolder ? NodeKind.Folder : found.IsLink ? NodeKind.Link : NodeKind.File;
        if (node is not null && (node.Kind != kind || (found.Object is { } other && !IsSame(node, other.ETag) && node.Uses > 0)))
        {
            if (HoldsOwn(node))
            {
                return node;
            }

            // Those who have it open keep the version that they opened; the name gets a node of its own.
            _inodes.Orphan(node);
            node = null;
        }

        state.Missing.Remove(name);
        if (node is null)
        {
            node = _inodes.Add(folder, name, kind);
            SetDefaults(node);
        }

        if (found.Object is { } head)
        {
            Describe(node, state.Bucket!, head);
        }
        else
        {
            node.ValidUntil = After(_options.FolderTtl);
            node.Folder!.HasMarker |= found.HasMarker;
        }

        return node;
    }

    private static bool IsSame(Node node, ETag etag) => node.Version?.ETag == etag;

    /// <summary>Whether something of this mount would be lost with the node: then it stays, whatever the bucket says.</summary>
    private static bool HoldsOwn(Node node) => node.IsOwn || (node.Folder is { } folder && folder.Children.Values.Any(HoldsOwn));

    /// <summary>Takes over what HEAD says.</summary>
    private void Describe(Node node, string bucket, BucketObject head)
    {
        if (!IsSame(node, head.ETag))
        {
            Renew(node, new ObjectVersion(bucket, head.Key, head.ETag, head.Size));
        }
        else if (node.Content is null && node.Listed?.Key != head.Key)
        {
            // A copy may have the ETag of what it was made of.
            node.Listed = new ObjectVersion(bucket, head.Key, head.ETag, head.Size);
        }

        node.IsOfLostLife = _contents.IsOfLostLife(head);
        node.ValidUntil = After(_options.FileTtl);
        if (node.HasOwnAttributes || node.HasStoredAttributes)
        {
            return;
        }

        var stored = PosixMetadata.Decode(head.Metadata);
        node.HasStoredAttributes = true;
        node.Mode = stored.Mode is { } mode && node.Kind == NodeKind.File ? Node.TypeOf(node.Kind) | (mode & 0xFFF) : DefaultMode(node.Kind);
        node.Uid = stored.Uid ?? _options.Uid;
        node.Gid = stored.Gid ?? _options.Gid;
        node.HasSetMTime = stored.MTime is not null;
        node.CTime = UnixTime.From(head.LastModified);
        node.ATime = node.MTime = stored.MTime ?? node.CTime;
    }

    /// <summary>Takes over what a listing says. False: it cannot, since somebody has another version open.</summary>
    private bool TryDescribe(Node node, string bucket, ListedObject listed, long validUntil)
    {
        if (!IsSame(node, listed.ETag))
        {
            if (node.Uses > 0)
            {
                return false;
            }

            Renew(node, new ObjectVersion(bucket, listed.Key, listed.ETag, listed.Size));
            node.Mode = DefaultMode(node.Kind);
            node.Uid = _options.Uid;
            node.Gid = _options.Gid;
            node.ATime = node.MTime = node.CTime = UnixTime.From(listed.LastModified);
        }

        node.ValidUntil = validUntil;
        return true;
    }

    /// <summary>The node stands for another version from now on; nobody has it open.</summary>
    private static void Renew(Node node, ObjectVersion version)
    {
        node.LetGo();
        node.LinkTarget = null;
        node.Listed = version;
        node.HasOwnAttributes = node.HasStoredAttributes = node.HasSetMTime = node.IsOfLostLife = false;
    }
}
