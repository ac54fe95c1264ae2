using System.Text.RegularExpressions;
using Floe.FileSystem.Inodes;
using Floe.FileSystem.Moving;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Operations;

/// <summary>
/// Unlinked files that were open at a snapshot. CRIU makes each anew under a name of its own (NAME.cr.ID.ghost), links it to its old name, opens it
/// there and removes both names (criu/files-reg.c). None of it may reach the bucket, and it is the one use of hard links here: the second name is
/// a node of its own with the same content.
/// </summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>
    /// Set while CRIU restores the task: at no other time is a name one of its own. A user's file may have such a name too, and goes to the bucket.
    /// </summary>
    public bool IsBeingRestored
    {
        get;
        set
        {
            field = value;
            if (!value)
            {
                lock (Gate)
                {
                    // Who opens a folder from now on begins at its start.
                    _carriedListings = Array.Empty<ListingState>().ToLookup(l => l.Path);
                }
            }
        }
    }

    private bool IsGhostName(string name) => IsBeingRestored && GhostName().IsMatch(name);

    /// <summary>Counts as a lookup.</summary>
    /// <exception cref="FuseException">EOPNOTSUPP for all but ghosts.</exception>
    public async ValueTask<FuseEntry> LinkGhostAsync(ulong ino, ulong parent, string name, CancellationToken cancellationToken)
    {
        var node = _inodes.Get(ino);
        if (!node.IsGhost || node.Content is not { } content)
        {
            throw new FuseException(Errno.EOPNOTSUPP, "a bucket has no hard links");
        }

        var folder = _inodes.GetFolder(parent);
        using var changing = await ChangeAsync(folder, cancellationToken).ConfigureAwait(false);
        await NewNameAsync(folder, name, cancellationToken).ConfigureAwait(false);
        lock (Gate)
        {
            var other = _inodes.Add(folder, name, NodeKind.File);
            (other.Mode, other.Uid, other.Gid) = (node.Mode, node.Uid, node.Gid);
            (other.ATime, other.MTime, other.CTime) = (node.ATime, node.MTime, node.CTime);
            other.HasStoredAttributes = true;
            other.IsGhost = true;
            other.Content = content;
            Changed(folder, name, isThere: true);
            return EntryOf(other);
        }
    }

    [GeneratedRegex(@"\.cr\.[0-9a-f]+\.ghost$")]
    private static partial Regex GhostName();
}
