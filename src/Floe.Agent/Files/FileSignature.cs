using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// What tells that a file was written, replaced or re-attributed: the kernel stamps the change time on all of these, and no
/// program can set it back. Laid out as it is stored in the baseline, little-endian.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal readonly record struct FileSignature
{
    public FileSignature(in Interop.StatxBuffer stat)
    {
        Inode = stat.stx_ino;
        ByteCount = stat.stx_size;
        ModifiedSeconds = stat.stx_mtime.tv_sec;
        ChangedSeconds = stat.stx_ctime.tv_sec;
        ModifiedNanoseconds = stat.stx_mtime.tv_nsec;
        ChangedNanoseconds = stat.stx_ctime.tv_nsec;
        Uid = stat.stx_uid;
        Gid = stat.stx_gid;
        Mode = stat.stx_mode;
    }

    /// <summary>Of what a snapshot put here, and this machine did not have: nothing that is found compares equal.</summary>
    public static FileSignature OfPutBack { get; } = new() { Inode = 1 };

    public ulong Inode { get; private init; }

    public ulong ByteCount { get; }

    public long ModifiedSeconds { get; }

    public long ChangedSeconds { get; }

    public uint ModifiedNanoseconds { get; }

    public uint ChangedNanoseconds { get; }

    public uint Uid { get; }

    public uint Gid { get; }

    /// <summary>st_mode: type and permissions.</summary>
    public uint Mode { get; }

    /// <summary>As it is, but of no inode: nothing that is found compares equal.</summary>
    public FileSignature WithoutInode => this with { Inode = 0 };

    public bool IsWithoutInode => Inode == 0;

    public bool IsDirectory => (Mode & Interop.S_IFMT) == Interop.S_IFDIR;

    /// <summary>
    /// Whether a change later than <paramref name="instant"/> could leave the change time as it is here: inodes are stamped with
    /// the coarse clock, whose ticks are milliseconds apart, and many network file systems keep no fractions of a second, or a few digits of them.
    /// </summary>
    public bool MayHideChangesAfter(in Interop.Timespec instant)
    {
        const long second = 1_000_000_000;
        var grain = 1L;
        while (grain < second && ChangedNanoseconds % (grain * 10) == 0)
        {
            grain *= 10;
        }

        // Whole seconds may be even ones, as FAT has them.
        var until = ((Int128)ChangedSeconds * second) + ChangedNanoseconds + (grain == second ? 2 * second : grain);
        return until > ((Int128)instant.tv_sec * second) + instant.tv_nsec;
    }

    public bool ChangedAfter(DateTimeOffset instant) =>
        ChangedSeconds > instant.ToUnixTimeSeconds()
        || (ChangedSeconds == instant.ToUnixTimeSeconds() && ChangedNanoseconds > instant.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick);

    /// <summary>Whether all that is promised of a file is the same: its inode and its change time are not.</summary>
    public bool IsSameButMoved(in FileSignature other) =>
        Mode == other.Mode && Uid == other.Uid && Gid == other.Gid
        && ModifiedSeconds == other.ModifiedSeconds && ModifiedNanoseconds == other.ModifiedNanoseconds && (IsDirectory || ByteCount == other.ByteCount);

    /// <summary>Directories: same type, mode and owner. Times and size change with what is in them.</summary>
    public bool IsSameDirectory(in FileSignature other) => Mode == other.Mode && Uid == other.Uid && Gid == other.Gid;
}
