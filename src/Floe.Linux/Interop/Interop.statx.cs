using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int AT_SYMLINK_NOFOLLOW = 0x100;
    public const int AT_EMPTY_PATH = 0x1000;
    public const int AT_NO_AUTOMOUNT = 0x800;

    /// <summary>A network file system asks its server.</summary>
    public const int AT_STATX_FORCE_SYNC = 0x2000;

    /// <summary>Nobody is asked: what the kernel knows has to do.</summary>
    public const int AT_STATX_DONT_SYNC = 0x4000;
    public const uint STATX_BASIC_STATS = 0x7FF;

    /// <summary>stx_mnt_id; kernels before 5.8 leave the bit clear in stx_mask.</summary>
    public const uint STATX_MNT_ID = 0x1000;
    public const uint S_IFMT = 0xF000;
    public const uint S_IFREG = 0x8000;
    public const uint S_IFDIR = 0x4000;
    public const uint S_IFLNK = 0xA000;
    public const uint S_IFIFO = 0x1000;
    public const uint S_IFSOCK = 0xC000;
    public const uint S_IFCHR = 0x2000;
    public const uint S_IFBLK = 0x6000;

    public struct StatxTimestamp
    {
        public long tv_sec;
        public uint tv_nsec;
        public int reserved;
    }

    /// <summary>struct statx of linux/stat.h: 256 bytes, alike on every architecture.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct StatxBuffer
    {
        public uint stx_mask;
        public uint stx_blksize;
        public ulong stx_attributes;
        public uint stx_nlink;
        public uint stx_uid;
        public uint stx_gid;
        public ushort stx_mode;
        public ushort spare0;
        public ulong stx_ino;
        public ulong stx_size;
        public ulong stx_blocks;
        public ulong stx_attributes_mask;
        public StatxTimestamp stx_atime;
        public StatxTimestamp stx_btime;
        public StatxTimestamp stx_ctime;
        public StatxTimestamp stx_mtime;
        public uint stx_rdev_major;
        public uint stx_rdev_minor;
        public uint stx_dev_major;
        public uint stx_dev_minor;
        public ulong stx_mnt_id;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int statx(SafeFileHandle directory, string path, int flags, uint mask, StatxBuffer* buffer);

    /// <summary>The form for names that are bytes. Zero-terminated.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int statx(int directory, byte* path, int flags, uint mask, StatxBuffer* buffer);
}
