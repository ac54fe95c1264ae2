using System.Globalization;
using System.Text;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// A directory in each root where contents arrive before anything of the target is touched: damage in the store, a full disk or
/// a lost connection then leave the machine as it was. Same mount as the root, so that a rename moves a file into place.
/// Safe for concurrent use.
/// </summary>
/// <param name="owner">Tasks that share a root have a directory each, so that none removes another's while it is in use. Of letters and digits.</param>
internal sealed class StagingArea(ScopeTree scope, string owner) : IDisposable
{
    private const int MaxAttempts = 100;
    private readonly byte[] _name = NativeName.Terminated(Encoding.ASCII.GetBytes(owner));
    private readonly Dictionary<string, Place> _places = [];
    private readonly Lock _lock = new();

    public static byte[] NameOf(long recordIndex) => NativeName.Terminated(Encoding.ASCII.GetBytes(recordIndex.ToString(CultureInfo.InvariantCulture)));

    /// <summary>The staging directory for a path in scope, made at first use. Owned by this.</summary>
    public int DirectoryFor(ReadOnlySpan<byte> path)
    {
        if (!scope.Contains(path, out var root, out var reason))
        {
            throw new FileStateException($"cannot put back {KernelPath.Display(path)}: {reason}");
        }

        var key = Encoding.Latin1.GetString(root);
        lock (_lock)
        {
            if (!_places.TryGetValue(key, out var place))
            {
                place = Create(root);
                _places.Add(key, place);
            }

            return place.Staging;
        }
    }

    /// <summary>
    /// Takes over the metadata of a root's record, which is applied when the staging directory is gone.
    /// False when the root has none, and the caller applies it.
    /// </summary>
    public bool TryTakeOverRoot(ReadOnlySpan<byte> path, FileRecord? record)
    {
        lock (_lock)
        {
            if (!_places.TryGetValue(Encoding.Latin1.GetString(path), out var place))
            {
                return false;
            }

            place.Record = record ?? place.Record;
            return true;
        }
    }

    /// <summary>Removes the staging directories and gives the roots their metadata.</summary>
    public void Finish()
    {
        lock (_lock)
        {
            foreach (var place in _places.Values)
            {
                RemoveStaging(place);
                if (place.Record is { } record)
                {
                    InodeMetadata.Apply(place.Root, NativeName.Self, record);
                }
                else
                {
                    InodeMetadata.RestoreModified(place.Root, place.Modified, place.Path);
                }
            }
        }
    }

    /// <summary>After a failure too nothing stays behind in the roots, nor do they look changed.</summary>
    public void Dispose()
    {
        foreach (var place in _places.Values)
        {
            try
            {
                if (RemoveStaging(place))
                {
                    InodeMetadata.RestoreModified(place.Root, place.Modified, place.Path);
                }
            }
            catch (FileStateException)
            {
                // The failure that led here is the one to report; the next attempt clears the directory.
            }

            _ = Interop.close(place.Staging);
            _ = Interop.close(place.Root);
        }

        _places.Clear();
    }

    private Place Create(ReadOnlySpan<byte> root)
    {
        var descriptor = DirectoryPath.Open(root, create: true);
        try
        {
            NativeName.Check(NativeName.Stat(descriptor, NativeName.Self, out var stat), "look at", root);
            var staging = OpenOwn(descriptor, root);
            return new Place(root.ToArray(), descriptor, staging, new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec));
        }
        catch
        {
            _ = Interop.close(descriptor);
            throw;
        }
    }

    private int OpenOwn(int root, ReadOnlySpan<byte> path)
    {
        for (var attempt = 0; ; attempt++)
        {
            var common = OpenCommon(root, path);
            try
            {
                // Left by an attempt that was killed.
                TreeRemoval.Remove(common, _name, TreeRemoval.Join(path, ScopeTree.StagingName), null);
                var errno = NativeName.MakeDirectory(common, _name, 0x1C0);
                if (errno == Errno.ENOENT && attempt < MaxAttempts)
                {
                    // The task that used it last has just removed it.
                    continue;
                }

                NativeName.Check(errno, "make a directory in", path);
                var staging = NativeName.Open(common, _name, Interop.O_RDONLY | Interop.O_DIRECTORY);
                NativeName.Check(Math.Min(staging, 0) * -1, "open a directory in", path);
                return staging;
            }
            finally
            {
                _ = Interop.close(common);
            }
        }
    }

    /// <summary>The directory that all tasks' are in. What another user has put there under its name, in /tmp for example, is removed.</summary>
    private static int OpenCommon(int root, ReadOnlySpan<byte> path)
    {
        var name = NativeName.Terminated(ScopeTree.StagingName);
        for (var attempt = 0; ; attempt++)
        {
            var made = NativeName.MakeDirectory(root, name, 0x1C0);
            if (made is not (0 or Errno.EEXIST))
            {
                NativeName.Check(made, "make a directory in", path);
            }

            var common = NativeName.Open(root, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
            if (common >= 0)
            {
                NativeName.Check(NativeName.Stat(common, NativeName.Self, out var stat), "look at", path);
                if (stat.stx_uid == Interop.geteuid() && (stat.stx_mode & 0x3F) == 0)
                {
                    return common;
                }

                _ = Interop.close(common);
            }

            if (attempt == MaxAttempts || (common < 0 && common is not (-Errno.ENOENT or -Errno.ENOTDIR or -Errno.ELOOP)))
            {
                NativeName.Check(Math.Max(-common, Errno.EEXIST), "open a directory in", path);
            }

            if (common != -Errno.ENOENT)
            {
                TreeRemoval.Remove(root, name, TreeRemoval.Join(path, ScopeTree.StagingName), null);
            }
        }
    }

    /// <returns>Whether it was still there.</returns>
    private bool RemoveStaging(Place place)
    {
        var common = NativeName.Open(place.Root, NativeName.Terminated(ScopeTree.StagingName), Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (common < 0)
        {
            return false;
        }

        var wasThere = TreeRemoval.Remove(common, _name, TreeRemoval.Join(place.Path, ScopeTree.StagingName), null);
        _ = Interop.close(common);

        // Not while another task has a directory in it.
        _ = NativeName.Unlink(place.Root, NativeName.Terminated(ScopeTree.StagingName), isDirectory: true);
        return wasThere;
    }

    private sealed class Place(byte[] path, int root, int staging, FileTime modified)
    {
        public byte[] Path => path;

        public int Root => root;

        public int Staging => staging;

        public FileTime Modified => modified;

        public FileRecord? Record { get; set; }
    }
}
