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

    /// <summary>What a mode says of the group and of all others.</summary>
    private const int OthersBits = 0x3F;

    private readonly Dictionary<string, Place> _places = [];
    private readonly Lock _lock = new();
    private readonly List<string> _leftBehind = [];
    private readonly List<string> _notAsRecorded = [];
    private bool _isFinished;

    /// <summary>Directories that could not be removed, or not whole, by the last <see cref="Finish"/>.</summary>
    public IReadOnlyList<string> LeftBehind => _leftBehind;

    /// <summary>Why roots have not the owner, mode, attributes or times that they should have, by the last <see cref="Finish"/>.</summary>
    public IReadOnlyList<string> NotAsRecorded => _notAsRecorded;

    public static byte[] NameOf(long recordIndex) => NativeName.Terminated(Encoding.ASCII.GetBytes(recordIndex.ToString(CultureInfo.InvariantCulture)));

    /// <summary>The staging directory for a path in scope, made at first use. Owned by this.</summary>
    public int DirectoryFor(ReadOnlySpan<byte> path)
    {
        if (!scope.Contains(path, out var root, out var reason))
        {
            throw new FileStateException($"cannot put back {KernelPath.Display(path)}: {reason}");
        }

        return PlaceOf(root).Staging;
    }

    /// <summary>
    /// Takes out of the staging directory what was set aside there and cannot go back, since others have its place by now: nobody else has it. No later attempt
    /// removes it.
    /// </summary>
    /// <param name="kept">Its name in the staging directory, zero-terminated.</param>
    /// <returns>Where it is, as it is shown.</returns>
    public string Save(ReadOnlySpan<byte> path, ReadOnlySpan<byte> kept)
    {
        _ = scope.Contains(path, out var root, out _);
        var place = PlaceOf(root);
        var name = Encoding.ASCII.GetBytes($"was.{Guid.NewGuid():n}");
        var common = NativeName.Open(place.Root, NativeName.Terminated(ScopeTree.StagingName), Interop.O_RDONLY | Interop.O_DIRECTORY);
        NativeName.Check(Math.Min(common, 0) * -1, "open a directory in", root);
        try
        {
            NativeName.Check(NativeName.Rename(place.Staging, kept, common, NativeName.Terminated(name)), "keep what was", path);
            return KernelPath.Display(TreeRemoval.Join(TreeRemoval.Join(place.Path, ScopeTree.StagingName), name));
        }
        finally
        {
            _ = Interop.close(common);
        }
    }

    private Place PlaceOf(ReadOnlySpan<byte> root)
    {
        var key = Encoding.Latin1.GetString(root);
        lock (_lock)
        {
            if (!_places.TryGetValue(key, out var place))
            {
                place = Create(root);
                _places.Add(key, place);
            }

            return place;
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

    /// <summary>
    /// Removes the staging directories and gives the roots their metadata. The files are in place by now: what cannot be removed (a file that another program has
    /// open on NFS, an immutable one) is left behind, and what cannot be set (by a root whom a server takes for nobody) stays as it is: the task is about to run.
    /// </summary>
    public void Finish()
    {
        lock (_lock)
        {
            _isFinished = true;
            foreach (var place in _places.Values)
            {
                try
                {
                    RemoveStaging(place);
                }
                catch (FileStateException)
                {
                    _leftBehind.Add(KernelPath.Display(TreeRemoval.Join(TreeRemoval.Join(place.Path, ScopeTree.StagingName), place.Name.AsSpan()[..^1])));
                }

                try
                {
                    GiveMetadata(place, isKept: true);
                }
                catch (FileStateException e)
                {
                    _notAsRecorded.Add(e.Message);
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
                    GiveMetadata(place, _isFinished);
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

    /// <summary>That of the root's record is for files that stay.</summary>
    private static void GiveMetadata(Place place, bool isKept)
    {
        if (isKept && place.Record is { } record)
        {
            InodeMetadata.Apply(place.Root, NativeName.Self, record);
        }
        else
        {
            InodeMetadata.RestoreModified(place.Root, place.Modified, place.Path);
        }
    }

    private Place Create(ReadOnlySpan<byte> root)
    {
        var descriptor = DirectoryPath.Open(root, create: true);
        try
        {
            NativeName.Check(NativeName.Stat(descriptor, NativeName.Self, out var stat), "look at", root);
            var staging = OpenOwn(descriptor, root, out var name);
            return new Place(root.ToArray(), name, descriptor, staging, new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec));
        }
        catch
        {
            _ = Interop.close(descriptor);
            throw;
        }
    }

    private int OpenOwn(int root, ReadOnlySpan<byte> path, out byte[] name)
    {
        name = NativeName.Terminated(Encoding.ASCII.GetBytes(owner));
        for (var attempt = 0; ; attempt++)
        {
            var common = OpenCommon(root, path);
            try
            {
                RemoveOwn(common, path);
                var errno = NativeName.MakeDirectory(common, name, 0x1C0);
                if (errno == Errno.EEXIST && attempt < MaxAttempts)
                {
                    // Not to be removed.
                    name = NativeName.Terminated(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{owner}-{attempt + 1}")));
                    continue;
                }

                if (errno == Errno.ENOENT && attempt < MaxAttempts)
                {
                    // The task that used it last has just removed it.
                    continue;
                }

                NativeName.Check(errno, "make a directory in", path);
                var staging = NativeName.Open(common, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
                NativeName.Check(Math.Min(staging, 0) * -1, "open a directory in", path);
                return staging;
            }
            finally
            {
                _ = Interop.close(common);
            }
        }
    }

    /// <summary>What attempts that were killed left, or could not remove at their end and may go by now, under any of the task's names.</summary>
    /// <param name="common">Just opened.</param>
    private void RemoveOwn(int common, ReadOnlySpan<byte> path)
    {
        var names = new DirectoryNames();
        _ = names.TryRead(common);
        for (var i = 0; i < names.Count; i++)
        {
            if (!IsOwn(names[i]))
            {
                continue;
            }

            try
            {
                TreeRemoval.Remove(common, names.Terminated(i), TreeRemoval.Join(path, ScopeTree.StagingName), null);
            }
            catch (FileStateException)
            {
                // It is left, and another name taken.
            }
        }
    }

    private bool IsOwn(ReadOnlySpan<byte> name)
    {
        var own = Encoding.ASCII.GetBytes(owner);
        return name.StartsWith(own) && (name.Length == own.Length
            || (name[own.Length] == (byte)'-' && name.Length > own.Length + 1 && !name[(own.Length + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9')));
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
                if ((stat.stx_uid == Interop.geteuid() && (stat.stx_mode & OthersBits) == 0) || IsAsMadeHere(root, stat))
                {
                    return common;
                }

                _ = Interop.close(common);
            }

            if (common < 0 && (attempt == MaxAttempts || common is not (-Errno.ENOENT or -Errno.ENOTDIR or -Errno.ELOOP)))
            {
                throw KernelPath.Failure("open a directory in", path, -common);
            }

            if (attempt == MaxAttempts)
            {
                throw new FileStateException($"{KernelPath.Display(TreeRemoval.Join(path, ScopeTree.StagingName))} is another user's each time it is made: something else uses that name");
            }

            if (common != -Errno.ENOENT)
            {
                TreeRemoval.Remove(root, name, TreeRemoval.Join(path, ScopeTree.StagingName), null);
            }
        }
    }

    /// <summary>
    /// Whether a directory is as one that we make here. Where a server takes root for nobody, or a file system has one owner and mode for all, what we make is
    /// not our user's, or open to others, and none is more so. The name is one that nobody can have made before.
    /// </summary>
    private static bool IsAsMadeHere(int root, in Interop.StatxBuffer stat)
    {
        var name = NativeName.Terminated(Encoding.ASCII.GetBytes($"{Encoding.ASCII.GetString(ScopeTree.StagingName)}-{Guid.NewGuid():n}"));
        if (NativeName.MakeDirectory(root, name, 0x1C0) != 0)
        {
            return false;
        }

        var errno = NativeName.Stat(root, name, out var made);
        _ = NativeName.Unlink(root, name, isDirectory: true);
        return errno == 0 && made.stx_uid == stat.stx_uid && (made.stx_mode & OthersBits) == (stat.stx_mode & OthersBits);
    }

    /// <returns>Whether it was still there.</returns>
    /// <exception cref="FileStateException">Something in it cannot be removed; all else is.</exception>
    private static bool RemoveStaging(Place place)
    {
        var common = NativeName.Open(place.Root, NativeName.Terminated(ScopeTree.StagingName), Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (common < 0)
        {
            return false;
        }

        try
        {
            RemoveEach(place);
            return TreeRemoval.Remove(common, place.Name, TreeRemoval.Join(place.Path, ScopeTree.StagingName), null);
        }
        finally
        {
            _ = Interop.close(common);

            // Not while another task has a directory in it.
            _ = NativeName.Unlink(place.Root, NativeName.Terminated(ScopeTree.StagingName), isDirectory: true);
        }
    }

    /// <summary>One that stays must not keep the others, which may be large.</summary>
    private static void RemoveEach(Place place)
    {
        // A descriptor of its own, which reads from the start.
        var directory = NativeName.Open(place.Staging, NativeName.Self, Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (directory < 0)
        {
            return;
        }

        var names = new DirectoryNames();
        _ = names.TryRead(directory);
        for (var i = 0; i < names.Count; i++)
        {
            try
            {
                TreeRemoval.Remove(directory, names.Terminated(i), TreeRemoval.Join(place.Path, ScopeTree.StagingName), null);
            }
            catch (FileStateException)
            {
                // The removal of the directory itself says so.
            }
        }

        _ = Interop.close(directory);
    }

    private sealed class Place(byte[] path, byte[] name, int root, int staging, FileTime modified)
    {
        public byte[] Path => path;

        /// <summary>Of the staging directory in the one of all tasks, zero-terminated.</summary>
        public byte[] Name => name;

        public int Root => root;

        public int Staging => staging;

        public FileTime Modified => modified;

        public FileRecord? Record { get; set; }
    }
}
