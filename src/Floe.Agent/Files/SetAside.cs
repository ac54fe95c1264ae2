using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// What put-back takes out of its place, kept in the staging areas, so that it can be brought back when the snapshot turns out to
/// be damaged while CRIU reads it. Moving is free, but on an overlay, which copies a file of its lower layers for that, and waits
/// for the disk: there only a few are kept, and the rest is removed.
/// </summary>
internal sealed class SetAside(ScopeTree scope, StagingArea staging)
{
    private const int MaxCopiedFiles = 1000;
    private const long MaxCopiedBytes = 1L << 30;

    private readonly List<Step> _steps = [];
    private readonly Dictionary<string, bool> _copies = [];
    private readonly IReadOnlyList<VisibleMount> _mounts = MountTable.ReadSelf();
    private readonly List<string> _saved = [];
    private int _copiedFiles;
    private long _copiedBytes;

    /// <summary>What the last <see cref="BringBack"/> could not bring back, and where it is instead.</summary>
    public IReadOnlyList<string> Saved => _saved;

    /// <summary>Takes away what is at the path; <paramref name="name"/> in <paramref name="directory"/>, zero-terminated.</summary>
    public void Take(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        // What is marked holds a mount, a root or something of Floe's own: not to be moved.
        if (scope.Find(path) is null && NativeName.Stat(directory, name, out var stat) == 0)
        {
            var kept = NameOf(_steps.Count);
            if (TryMove(directory, name, path, stat, staging.DirectoryFor(path), kept))
            {
                _steps.Add(new Step(path.ToArray(), kept, null) { Was = new FileSignature(stat) });
                return;
            }

            TreeRemoval.Remove(staging.DirectoryFor(path), kept, path, null);
        }

        TreeRemoval.Remove(directory, name, path, scope.Find(path));
    }

    /// <summary>A directory that stays gets the metadata of a record.</summary>
    public void Changes(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path) =>
        _steps.Add(new Step(path.ToArray(), null, InodeMetadata.OfDirectory(directory, name, path)));

    /// <summary>Something was made where there was nothing. Only where a review leaves alone what it does not know does it have to be removed here.</summary>
    public void Made(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        if (scope.IsShared(path))
        {
            NativeName.Check(NativeName.Stat(directory, name, out var stat), "look at", path);
            _steps.Add(new Step(path.ToArray(), null, null) { Made = new FileSignature(stat) });
        }
    }

    /// <summary>Undoes all of it that can be undone, last step first.</summary>
    /// <returns>The paths that are back in their places, sorted.</returns>
    /// <param name="baseline">Learns which change times are of this.</param>
    public IReadOnlyList<byte[]> BringBack(FileBaseline? baseline)
    {
        var back = new List<byte[]>();
        for (; _steps.Count > 0; _steps.RemoveAt(_steps.Count - 1))
        {
            var step = _steps[^1];
            var isBack = false;
            try
            {
                isBack = Undo(step, baseline);
            }
            catch (FileStateException)
            {
                // The rest is worth having. The next review names what is not as it was.
            }

            if (isBack)
            {
                back.Add(step.Path);
            }
            else if (step.Kept is { } kept)
            {
                Save(step.Path, kept);
            }
        }

        back.Sort(static (a, b) => KernelPath.Compare(a, b));
        return back;
    }

    private void Save(byte[] path, byte[] kept)
    {
        try
        {
            _saved.Add($"{staging.Save(path, kept)} (was {KernelPath.Display(path)})");
        }
        catch (FileStateException)
        {
            // As above.
        }
    }

    /// <returns>Whether what was set aside is back in its place.</returns>
    private bool Undo(Step step, FileBaseline? baseline)
    {
        var directory = DirectoryPath.Open(step.Metadata is null ? KernelPath.Parent(step.Path) : step.Path, create: false);
        try
        {
            if (step.Metadata is { } metadata)
            {
                InodeMetadata.Apply(directory, NativeName.Self, metadata);
                return false;
            }

            var name = NativeName.Terminated(KernelPath.Name(step.Path));
            if (step.Kept is not { } kept)
            {
                RemoveMade(directory, name, step);
                return false;
            }

            if (!scope.IsShared(step.Path))
            {
                TreeRemoval.Remove(directory, name, step.Path, scope.Find(step.Path));
            }
            else if (NativeName.Stat(directory, name, out _) == 0)
            {
                // What was made here is removed by now: others have written there meanwhile, and theirs is newer.
                return false;
            }

            NativeName.Check(NativeName.Rename(staging.DirectoryFor(step.Path), kept, directory, name), "bring back", step.Path);
            if (scope.IsShared(step.Path) && NativeName.Stat(directory, name, out var stat) == 0)
            {
                baseline?.IsBack(stat, step.Was);
            }

            return true;
        }
        finally
        {
            _ = Interop.close(directory);
        }
    }

    /// <summary>Unless others have replaced it since, have written in it, or have files in it.</summary>
    private static void RemoveMade(int directory, ReadOnlySpan<byte> name, Step step)
    {
        if (NativeName.Stat(directory, name, out var stat) == 0 && IsAsMade(new FileSignature(stat), step.Made))
        {
            var errno = NativeName.Unlink(directory, name, (stat.stx_mode & Interop.S_IFMT) == Interop.S_IFDIR);
            NativeName.Check(errno == Errno.ENOTEMPTY ? 0 : errno, "remove", step.Path);
        }
    }

    private static bool IsAsMade(in FileSignature now, in FileSignature made) =>
        now.Inode == made.Inode && (now.IsDirectory
            || (now.ByteCount, now.ModifiedSeconds, now.ModifiedNanoseconds) == (made.ByteCount, made.ModifiedSeconds, made.ModifiedNanoseconds));

    /// <returns>False when it is not, or not whole, at its new place: what is there is to be removed from both.</returns>
    private bool TryMove(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, in Interop.StatxBuffer stat, int target, ReadOnlySpan<byte> kept)
    {
        var isDirectory = (stat.stx_mode & Interop.S_IFMT) == Interop.S_IFDIR;
        if (!isDirectory && Copies(path))
        {
            if (_copiedFiles == MaxCopiedFiles || stat.stx_size > (ulong)(MaxCopiedBytes - _copiedBytes))
            {
                return false;
            }

            _copiedFiles++;
            _copiedBytes += (long)stat.stx_size;
        }

        return NativeName.Rename(directory, name, target, kept) switch
        {
            0 => true,
            Errno.EXDEV when isDirectory => TryMoveEntries(directory, name, path, target, kept),

            // No room for a copy, for example.
            _ => false,
        };
    }

    /// <summary>A directory of a lower layer, which an overlay does not rename.</summary>
    private bool TryMoveEntries(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, int target, ReadOnlySpan<byte> kept)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var metadata = InodeMetadata.OfDirectory(directory, name, path);
        if (NativeName.MakeDirectory(target, kept, 0x1C0) != 0)
        {
            return false;
        }

        var from = NativeName.Open(directory, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
        var to = NativeName.Open(target, kept, Interop.O_RDONLY | Interop.O_DIRECTORY);
        try
        {
            if (from < 0 || to < 0)
            {
                return false;
            }

            var names = new DirectoryNames();
            names.Read(from, path);
            for (var i = 0; i < names.Count; i++)
            {
                var entry = names.Terminated(i);
                if (NativeName.Stat(from, entry, out var stat) != 0 || !TryMove(from, entry, TreeRemoval.Join(path, names[i]), stat, to, entry))
                {
                    return false;
                }
            }
        }
        finally
        {
            _ = Interop.close(from);
            _ = Interop.close(to);
        }

        if (NativeName.Unlink(directory, name, isDirectory: true) != 0)
        {
            return false;
        }

        InodeMetadata.Apply(target, kept, metadata);
        return true;
    }

    /// <summary>Whether moving a file may mean to copy it.</summary>
    private bool Copies(ReadOnlySpan<byte> path)
    {
        scope.Contains(path, out var root, out _);
        var key = Encoding.Latin1.GetString(root);
        if (!_copies.TryGetValue(key, out var copies))
        {
            var under = root.ToArray();
            copies = _mounts.Where(mount => KernelPath.IsAtOrBelow(under, mount.Path)).MaxBy(mount => mount.Path.Length).Type == "overlay";
            _copies.Add(key, copies);
        }

        return copies;
    }

    private static byte[] NameOf(int step) => NativeName.Terminated(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"was-{step}")));

    /// <param name="Kept">Its name in the staging area; null when nothing was at the path.</param>
    /// <param name="Metadata">Of a directory that stayed.</param>
    private readonly record struct Step(byte[] Path, byte[]? Kept, FileRecord? Metadata)
    {
        /// <summary>Of what was set aside.</summary>
        public FileSignature Was { get; init; }

        /// <summary>Of what was made.</summary>
        public FileSignature Made { get; init; }
    }
}
