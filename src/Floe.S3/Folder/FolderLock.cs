using System.IO.Hashing;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>
/// Makes looking at a key's version and changing it one step. One of 256 lock files, chosen by the key; held for a few system calls only,
/// and released by the kernel when the holder dies.
/// </summary>
internal static class FolderLock
{
    /// <summary>Dispose the handle to unlock.</summary>
    public static SafeFileHandle Take(StoreUrl store, SafeFileHandle lockFolder, ObjectKey key)
    {
        var name = $"{XxHash64.HashToUInt64(MemoryMarshal.AsBytes(key.Value.AsSpan())) & 0xFF:x2}";
        var file = Interop.openat(lockFolder, name, Interop.O_RDWR | Interop.O_CREAT | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0b110_000_000);
        if (file.IsInvalid)
        {
            throw FolderErrors.Last(store, "opening a lock file");
        }

        while (Interop.flock(file, Interop.LOCK_EX) != 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR)
            {
                file.Dispose();
                throw FolderErrors.From(store, "locking a lock file", errno);
            }
        }

        return file;
    }
}
