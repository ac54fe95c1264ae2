using System.Runtime.CompilerServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// A folder that is to go, but perhaps not whole: where others write too, what in it changed since the snapshot is theirs and stays, and so does anywhere what is no part
/// of the task, with the folders that lead to it. A folder's own times tell nothing of what is deep in it.
/// </summary>
internal sealed class SharedFolder(ScopeTree scope, OthersFiles others, SetAside aside)
{
    /// <summary>Whether something below stays. Names are zero-terminated.</summary>
    public bool HasOthers(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        var has = false;
        var isRead = ForEach(parent, name, path, (directory, entry, below) => has = has || Stays(directory, entry, below, out var isDirectory) || (isDirectory && HasOthers(directory, entry, below)));
        return has || !isRead;
    }

    /// <summary>Takes away what is to go; as a whole, where nothing at or below it may stay.</summary>
    /// <returns>Whether something stays.</returns>
    public bool Clear(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        var stays = Stays(parent, name, path, out var isDirectory);
        if (isDirectory && (scope.Find(path) is not null || scope.IsShared(path)))
        {
            NativeName.Check(NativeName.Stat(parent, name, out var before), "look at", path);
            var isRead = ForEach(parent, name, path, (directory, entry, below) => stays |= Clear(directory, entry, below));
            stays |= !isRead;
            if (stays)
            {
                RestoreModified(parent, name, path, before);
            }
        }

        if (!stays && NativeName.Stat(parent, name, out var stat) == 0)
        {
            others.TakesAway(stat);
            aside.Take(parent, name, path);
        }

        return stays;
    }

    private delegate void Entry(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path);

    /// <summary>
    /// Asked before anything in a directory is taken, which changes its times. What is not the task's at all, a mount perhaps, is not looked into; a root below stays
    /// as roots do. Elsewhere change times tell nothing of others: all of a machine's image may have been unpacked after the snapshot.
    /// </summary>
    private bool Stays(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, out bool isDirectory)
    {
        isDirectory = false;
        var mark = scope.Find(path)?.Mark;
        if (mark == ScopeMark.Excluded)
        {
            return true;
        }

        if (NativeName.Stat(directory, name, out var stat) != 0)
        {
            return false;
        }

        isDirectory = (stat.stx_mode & Interop.S_IFMT) == Interop.S_IFDIR;
        return (isDirectory && mark == ScopeMark.Root) || (scope.IsShared(path) && others.IsChangedSince(stat));
    }

    /// <returns>False for a directory that may not be read: what is in it is not known, and not the task's.</returns>
    private bool ForEach(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, Entry entry)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var directory = NativeName.Open(parent, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (directory is -Errno.ENOENT or -Errno.EACCES)
        {
            return directory == -Errno.ENOENT;
        }

        NativeName.Check(Math.Min(directory, 0) * -1, "open the directory", path);
        try
        {
            var names = new DirectoryNames();
            names.Read(directory, path);
            for (var i = 0; i < names.Count; i++)
            {
                if (!names[i].SequenceEqual(ScopeTree.StagingName) || !scope.IsRoot(path))
                {
                    entry(directory, names.Terminated(i), TreeRemoval.Join(path, names[i]));
                }
            }

            return true;
        }
        finally
        {
            _ = Interop.close(directory);
        }
    }

    private static void RestoreModified(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, in Interop.StatxBuffer before)
    {
        var directory = NativeName.Open(parent, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (directory >= 0)
        {
            InodeMetadata.RestoreModified(directory, new FileTime(before.stx_mtime.tv_sec, before.stx_mtime.tv_nsec), path);
            _ = Interop.close(directory);
        }
    }
}
