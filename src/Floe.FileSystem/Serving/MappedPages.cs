using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Serving;

/// <summary>What programs wrote through mappings of a mount's files, which the kernel has in its pages until it is asked.</summary>
internal static unsafe class MappedPages
{
    private const uint FILEID_INO64_GEN = 0x81;

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
            var file = Open(root, ino, path);
            if (file < 0 && Marshal.GetLastPInvokeError() is not (Errno.ENOENT or Errno.ESTALE) || file >= 0 && Interop.close(file) != 0)
            {
                throw LinuxException.Last($"syncing {directory}/{path}");
            }
        }
    }

    /// <summary>By its number, which asks nobody for its name; where the right for that is missing (CAP_DAC_READ_SEARCH), by its name.</summary>
    private static int Open(SafeFileHandle root, ulong ino, string? path)
    {
        // struct file_handle: the length, the type, then what FUSE's fuse_encode_fh makes (fs/fuse/inode.c): number, high half first, and generation.
        Span<uint> handle = [3 * sizeof(uint), FILEID_INO64_GEN, (uint)(ino >> 32), (uint)ino, 0];
        int file;
        // SAFETY: the handle is pinned for the call and names its length.
        fixed (uint* pointer = handle)
        {
            file = Interop.open_by_handle_at((int)root.DangerousGetHandle(), (byte*)pointer, Interop.O_RDONLY | Interop.O_CLOEXEC);
        }

        if (file >= 0 || path is null || Marshal.GetLastPInvokeError() == Errno.ESTALE)
        {
            return file;
        }

        using var named = Interop.openat((int)root.DangerousGetHandle(), path, Interop.O_RDONLY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
        if (named.IsInvalid)
        {
            return -1;
        }

        var taken = (int)named.DangerousGetHandle();
        named.SetHandleAsInvalid();
        return taken;
    }
}
