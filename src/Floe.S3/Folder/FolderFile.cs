using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>
/// What identifies one version of an object that is a file: inode, time of change to the nanosecond, size. Writers keep the time of a key
/// strictly rising, so a version never comes back.
/// </summary>
internal readonly record struct FolderFile(ulong Inode, long ModifiedNanoseconds, long Size)
{
    public ETag ETag => new($"\"{Inode:x}-{ModifiedNanoseconds:x}-{Size:x}\"");

    /// <summary>Ticks are 100 ns; the ETag keeps the rest.</summary>
    public DateTimeOffset LastModified => DateTimeOffset.UnixEpoch.AddTicks(ModifiedNanoseconds / 100);

    /// <summary>
    /// Null, with errno, where there is no regular file (ENOENT for anything else that may lie there). <paramref name="path"/> empty: the handle's own.
    /// </summary>
    public static FolderFile? TryStat(SafeFileHandle directory, string path, out int errno) =>
        TryStat(directory, path, out errno, out _);

    /// <param name="isDirectory">Whether the null means a directory.</param>
    public static unsafe FolderFile? TryStat(SafeFileHandle directory, string path, out int errno, out bool isDirectory)
    {
        isDirectory = false;
        Interop.StatxBuffer stat;
        var flags = Interop.AT_SYMLINK_NOFOLLOW | (path.Length == 0 ? Interop.AT_EMPTY_PATH : 0);
        // SAFETY: the kernel fills the 256 bytes of the local struct.
        if (Interop.statx(directory, path, flags, Interop.STATX_BASIC_STATS, &stat) != 0)
        {
            errno = Marshal.GetLastPInvokeError();
            return null;
        }

        if ((stat.stx_mode & Interop.S_IFMT) != Interop.S_IFREG)
        {
            isDirectory = (stat.stx_mode & Interop.S_IFMT) == Interop.S_IFDIR;
            errno = Errno.ENOENT;
            return null;
        }

        errno = 0;
        return new FolderFile(
            stat.stx_ino, (stat.stx_mtime.tv_sec * 1_000_000_000) + stat.stx_mtime.tv_nsec, checked((long)stat.stx_size));
    }

    /// <summary>Sets the time of change; false with errno.</summary>
    public static unsafe bool TrySetModified(SafeFileHandle file, long nanoseconds)
    {
        var times = stackalloc Interop.Timespec[2];
        times[0].tv_nsec = Interop.UTIME_OMIT;
        times[1].tv_sec = nanoseconds / 1_000_000_000;
        times[1].tv_nsec = nanoseconds % 1_000_000_000;
        // SAFETY: futimens reads two timespecs.
        return Interop.futimens(file, times) == 0;
    }
}
