using System.Globalization;
using System.Text;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// A directory in each root where contents arrive before anything of the target is touched: damage in the store, a full disk or
/// a lost connection then leave the machine as it was. Same mount as the root, so that a rename moves a file into place.
/// Safe for concurrent use.
/// </summary>
internal sealed class StagingArea(ScopeTree scope) : IDisposable
{
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

    private static Place Create(ReadOnlySpan<byte> root)
    {
        var descriptor = DirectoryPath.Open(root, create: true);
        var name = NativeName.Terminated(ScopeTree.StagingName);
        try
        {
            NativeName.Check(NativeName.Stat(descriptor, NativeName.Self, out var stat), "look at", root);

            // Left by an attempt that was killed.
            TreeRemoval.Remove(descriptor, name, TreeRemoval.Join(root, ScopeTree.StagingName), null);
            NativeName.Check(NativeName.MakeDirectory(descriptor, name, 0x1C0), "make a directory in", root);
            var staging = NativeName.Open(descriptor, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
            NativeName.Check(Math.Min(staging, 0) * -1, "open a directory in", root);
            return new Place(root.ToArray(), descriptor, staging, new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec));
        }
        catch
        {
            _ = Interop.close(descriptor);
            throw;
        }
    }

    /// <returns>Whether it was still there.</returns>
    private static bool RemoveStaging(Place place) =>
        TreeRemoval.Remove(place.Root, NativeName.Terminated(ScopeTree.StagingName), TreeRemoval.Join(place.Path, ScopeTree.StagingName), null);

    private sealed class Place(byte[] path, int root, int staging, FileTime modified)
    {
        public byte[] Path => path;

        public int Root => root;

        public int Staging => staging;

        public FileTime Modified => modified;

        public FileRecord? Record { get; set; }
    }
}
