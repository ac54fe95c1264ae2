namespace Floe.Fuse.Protocol;

/// <summary>Numbers of linux/fuse.h, named as there.</summary>
internal static class FuseConstants
{
    public const uint KernelMajor = 7;

    /// <summary>The newest protocol that is spoken here (Linux 6.9: passthrough).</summary>
    public const uint NewestMinor = 40;

    /// <summary>Linux 5.4.</summary>
    public const uint OldestMinor = 31;

    public const ulong FUSE_ASYNC_READ = 1UL << 0;
    public const ulong FUSE_ATOMIC_O_TRUNC = 1UL << 3;
    public const ulong FUSE_BIG_WRITES = 1UL << 5;
    public const ulong FUSE_AUTO_INVAL_DATA = 1UL << 12;
    public const ulong FUSE_DO_READDIRPLUS = 1UL << 13;
    public const ulong FUSE_READDIRPLUS_AUTO = 1UL << 14;
    public const ulong FUSE_ASYNC_DIO = 1UL << 15;
    public const ulong FUSE_PARALLEL_DIROPS = 1UL << 18;
    public const ulong FUSE_MAX_PAGES = 1UL << 22;
    public const ulong FUSE_HANDLE_KILLPRIV_V2 = 1UL << 28;
    public const ulong FUSE_INIT_EXT = 1UL << 30;
    public const ulong FUSE_DIRECT_IO_ALLOW_MMAP = 1UL << 36;
    public const ulong FUSE_PASSTHROUGH = 1UL << 37;

    public const int FUSE_NOTIFY_INVAL_INODE = 2;

    public const uint FATTR_MODE = 1 << 0;
    public const uint FATTR_UID = 1 << 1;
    public const uint FATTR_GID = 1 << 2;
    public const uint FATTR_SIZE = 1 << 3;
    public const uint FATTR_ATIME = 1 << 4;
    public const uint FATTR_MTIME = 1 << 5;
    public const uint FATTR_FH = 1 << 6;
    public const uint FATTR_ATIME_NOW = 1 << 7;
    public const uint FATTR_MTIME_NOW = 1 << 8;

    public const uint FATTR_KILL_SUIDGID = 1 << 11;

    public const uint FUSE_WRITE_KILL_SUIDGID = 1 << 2;

    /// <summary>Of a file that is opened with O_TRUNC.</summary>
    public const uint FUSE_OPEN_KILL_SUIDGID = 1;
    public const uint FUSE_FSYNC_FDATASYNC = 1;
    public const uint FOPEN_PASSTHROUGH = 1 << 7;

    public const ulong FUSE_DEV_IOC_CLONE = 0x8004E500;
    public const ulong FUSE_DEV_IOC_BACKING_OPEN = 0x4010E501;
    public const ulong FUSE_DEV_IOC_BACKING_CLOSE = 0x4004E502;
}
