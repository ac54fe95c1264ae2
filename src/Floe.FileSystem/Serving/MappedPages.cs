using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Serving;

/// <summary>What programs wrote through mappings of a mount's files, which the kernel has in its pages until it is asked.</summary>
internal static class MappedPages
{
    /// <summary>
    /// Returns when the file server has taken all of it. syncfs(2) alone does not: for FUSE it begins the writing, of all files at once, and returns. A close
    /// of a file waits for its own.
    /// </summary>
    /// <param name="directory">Where it is mounted. Not on a thread that the mount needs: the kernel asks for the pages meanwhile.</param>
    /// <param name="files">Those that are open for reading and writing: nobody else can have such pages.</param>
    /// <exception cref="LinuxException">Not all of it could be taken.</exception>
    public static void Sync(string directory, IEnumerable<(ulong Ino, string? Path)> files)
    {
        using var root = Interop.openat(Interop.AT_FDCWD, directory, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_CLOEXEC, 0);
        if (root.IsInvalid || Interop.syncfs(root) != 0)
        {
            throw LinuxException.Last($"syncing {directory}");
        }

        foreach (var (ino, path) in files)
        {
            using var file = Open(root, ino, path);
            if (file.IsInvalid ? Marshal.GetLastPInvokeError() is not (Errno.ENOENT or Errno.ESTALE) : Interop.close(Taken(file)) != 0)
            {
                throw LinuxException.Last($"syncing {directory}/{path}");
            }
        }
    }

    /// <summary>The descriptor, closed by the caller, who wants to know how that went.</summary>
    private static int Taken(SafeFileHandle file)
    {
        var descriptor = (int)file.DangerousGetHandle();
        file.SetHandleAsInvalid();
        return descriptor;
    }

    /// <summary>By its number, which asks nobody for its name; where the right for that is missing, by its name.</summary>
    private static SafeFileHandle Open(SafeFileHandle root, ulong ino, string? path)
    {
        var file = FuseFile.Open(root, ino);
        return !file.IsInvalid || path is null || Marshal.GetLastPInvokeError() == Errno.ESTALE
            ? file : Interop.openat((int)root.DangerousGetHandle(), path, Interop.O_RDONLY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
    }
}
