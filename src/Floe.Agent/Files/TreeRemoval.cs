using System.Runtime.CompilerServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Removes a name and all below it, without following a symbolic link, leaving a mount or taking what is excluded from the scope.</summary>
internal static class TreeRemoval
{
    /// <param name="name">Zero-terminated, in <paramref name="directory"/>.</param>
    /// <param name="node">The scope's node of the path, null when nothing at or below it is marked.</param>
    /// <returns>Whether there was anything.</returns>
    public static bool Remove(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, ScopeNode? node)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (node is { Mark: ScopeMark.Excluded })
        {
            throw new FileStateException($"cannot remove {KernelPath.Display(path)}, which the task removed: {node.Reason}");
        }

        var errno = NativeName.Unlink(directory, name, isDirectory: false);
        if (errno is 0 or Errno.ENOENT)
        {
            return errno == 0;
        }

        // POSIX lets unlink of a directory fail with EPERM, Linux says EISDIR; what is no directory is caught by the open.
        if (errno is not (Errno.EISDIR or Errno.EPERM))
        {
            throw KernelPath.Failure("remove", path, errno);
        }

        Empty(directory, name, path, node, errno);
        NativeName.Check(NativeName.Unlink(directory, name, isDirectory: true), "remove the directory", path);
        return true;
    }

    /// <summary>As <see cref="Remove"/>, but what is excluded stays, with the directories that lead to it.</summary>
    /// <returns>Whether anything was removed.</returns>
    public static bool RemoveAllBut(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, ScopeNode? node, out bool stays)
    {
        stays = node is { Mark: ScopeMark.Excluded };
        var descriptor = node is null || stays ? -1 : NativeName.Open(directory, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (descriptor < 0)
        {
            return !stays && Remove(directory, name, path, node);
        }

        var isRemoved = false;
        try
        {
            RefuseMount(directory, name, path);
            var names = new DirectoryNames();
            names.Read(descriptor, path);
            for (var i = 0; i < names.Count; i++)
            {
                isRemoved |= RemoveAllBut(descriptor, names.Terminated(i), Join(path, names[i]), node!.Find(names[i]), out var staysBelow);
                stays |= staysBelow;
            }
        }
        finally
        {
            _ = Interop.close(descriptor);
        }

        return stays ? isRemoved : Remove(directory, name, path, node);
    }

    /// <summary>Removes what is in a directory, but not the staging directory of a root.</summary>
    public static void Empty(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, ScopeNode? node, int errnoIfNoDirectory = Errno.ENOTDIR)
    {
        RefuseMount(directory, name, path);
        var descriptor = NativeName.Open(directory, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (descriptor < 0)
        {
            throw KernelPath.Failure("remove", path, descriptor == -Errno.ENOTDIR ? errnoIfNoDirectory : -descriptor);
        }

        try
        {
            var names = new DirectoryNames();
            names.Read(descriptor, path);
            for (var i = 0; i < names.Count; i++)
            {
                if (node is { Mark: ScopeMark.Root } && names[i].SequenceEqual(ScopeTree.StagingName))
                {
                    continue;
                }

                Remove(descriptor, names.Terminated(i), Join(path, names[i]), node?.Find(names[i]));
            }
        }
        finally
        {
            _ = Interop.close(descriptor);
        }
    }

    public static byte[] Join(ReadOnlySpan<byte> directory, ReadOnlySpan<byte> name) =>
        directory.IsEmpty ? name.ToArray() : [.. directory, (byte)'/', .. name];

    /// <summary>What is mounted there is not the task's to lose, whatever the list says. Before kernel 5.8 the device number tells, else the mount id.</summary>
    private static void RefuseMount(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        NativeName.Check(NativeName.Stat(directory, NativeName.Self, out var outer), "look at the directory of", path);
        NativeName.Check(NativeName.Stat(directory, name, out var inner), "look at", path);
        var same = (outer.stx_mask & inner.stx_mask & Interop.STATX_MNT_ID) != 0
            ? outer.stx_mnt_id == inner.stx_mnt_id
            : (outer.stx_dev_major, outer.stx_dev_minor) == (inner.stx_dev_major, inner.stx_dev_minor);
        if (!same)
        {
            throw new FileStateException($"cannot remove {KernelPath.Display(path)}, which the task removed: here it is a mount");
        }
    }
}
