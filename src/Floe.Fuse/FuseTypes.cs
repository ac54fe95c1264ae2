namespace Floe.Fuse;

/// <summary>Seconds and nanoseconds since 1970.</summary>
public readonly record struct UnixTime(long Seconds, uint Nanos) : IComparable<UnixTime>
{
    public static UnixTime From(DateTimeOffset time)
    {
        var ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        var seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var rest);
        return rest < 0 ? new UnixTime(seconds - 1, (uint)(rest + TimeSpan.TicksPerSecond) * 100) : new UnixTime(seconds, (uint)rest * 100);
    }

    public int CompareTo(UnixTime other) => Seconds != other.Seconds ? Seconds.CompareTo(other.Seconds) : Nanos.CompareTo(other.Nanos);

    public static bool operator <(UnixTime a, UnixTime b) => a.CompareTo(b) < 0;

    public static bool operator >(UnixTime a, UnixTime b) => a.CompareTo(b) > 0;

    public static bool operator <=(UnixTime a, UnixTime b) => a.CompareTo(b) <= 0;

    public static bool operator >=(UnixTime a, UnixTime b) => a.CompareTo(b) >= 0;
}

/// <summary>What stat(2) tells of a file. Mode holds the type (S_IFMT) too; Blocks counts 512 bytes.</summary>
public readonly record struct FuseAttributes(
    ulong Ino, ulong Size, ulong Blocks, UnixTime ATime, UnixTime MTime, UnixTime CTime, uint Mode, uint NLink, uint Uid, uint Gid, uint RDev, uint BlockSize);

/// <summary>
/// A name's file as the kernel may remember it: the name for <paramref name="EntryValid"/>, the attributes for <paramref name="AttributesValid"/>.
/// Answering one counts as a lookup of <paramref name="NodeId"/>.
/// </summary>
public readonly record struct FuseEntry(ulong NodeId, ulong Generation, FuseAttributes Attributes, TimeSpan EntryValid, TimeSpan AttributesValid)
{
    /// <summary>
    /// There is no such file. With <paramref name="valid"/> zero the kernel asks at every look, and takes the name away (d_invalidate) from a file
    /// that another process is just making under it: that one is "(deleted)" in /proc then for as long as it is open, and CRIU cannot dump it.
    /// </summary>
    public static FuseEntry None(TimeSpan valid) => new(0, 0, default, valid, default);
}

public readonly record struct FuseAttributesReply(FuseAttributes Attributes, TimeSpan Valid);

/// <summary>Who asks: the thread's credentials and id as the server's namespaces see them (0: outside of them).</summary>
public readonly record struct FuseCaller(uint Uid, uint Gid, uint Pid);

[Flags]
public enum FuseOpenFlags : uint
{
    None = 0,
    /// <summary>Reads and writes go past the page cache (FOPEN_DIRECT_IO).</summary>
    DirectIo = 1,
    /// <summary>The page cache of earlier opens still holds (FOPEN_KEEP_CACHE).</summary>
    KeepCache = 2,
    /// <summary>The kernel may keep the directory's entries (FOPEN_CACHE_DIR).</summary>
    CacheDirectory = 8,
    /// <summary>FLUSH at close says nothing to this file system (FOPEN_NOFLUSH).</summary>
    NoFlush = 32,
    /// <summary>Writes at the same time within the file's size (FOPEN_PARALLEL_DIRECT_WRITES).</summary>
    ParallelDirectWrites = 64,
}

/// <summary>
/// An open file. With a <paramref name="BackingId"/> (of <see cref="FuseServer.TryRegisterBacking"/>) the kernel reads and writes that file itself.
/// </summary>
public readonly record struct FuseOpened(ulong Handle, FuseOpenFlags Flags, int BackingId = 0);

/// <summary>chmod, chown, truncate and utimensat in one; null: not to be changed.</summary>
public readonly record struct FuseSetAttributes
{
    public ulong? Handle { get; init; }

    /// <summary>Permission bits, without the type.</summary>
    public uint? Mode { get; init; }

    public uint? Uid { get; init; }

    public uint? Gid { get; init; }

    public ulong? Size { get; init; }

    public FuseTime? ATime { get; init; }

    public FuseTime? MTime { get; init; }

    /// <summary>Whether the change takes off set-user-id and set-group-id.</summary>
    public bool KillsPrivileges { get; init; }
}

/// <summary>A time to set; null: now.</summary>
public readonly record struct FuseTime(UnixTime? Time);

public readonly record struct FuseStatFs(
    ulong Blocks, ulong FreeBlocks, ulong AvailableBlocks, ulong Files, ulong FreeFiles, uint BlockSize, uint NameLength);

[Flags]
public enum FuseRenameFlags : uint
{
    None = 0,
    NoReplace = 1,
    Exchange = 2,
    Whiteout = 4,
}

/// <summary>Receives a directory's entries until it is full.</summary>
public interface IFuseDirectoryBuffer
{
    /// <summary>Whether the kernel wants whole <see cref="FuseEntry"/>s (READDIRPLUS).</summary>
    bool TakesEntries { get; }

    /// <summary>A name with its inode number and type (mode). False: there is no room for it, and the page is complete.</summary>
    /// <param name="nextOffset">Where a next page goes on after this entry; not 0.</param>
    bool TryAdd(ReadOnlySpan<byte> name, ulong ino, uint mode, ulong nextOffset);

    /// <summary>The same with a whole entry, which then counts as a lookup (not for "." and "..").</summary>
    bool TryAdd(ReadOnlySpan<byte> name, in FuseEntry entry, ulong nextOffset);
}

/// <summary>What a read gives: so many bytes of the destination, or bytes from elsewhere, which are given back once they are sent.</summary>
public readonly struct FuseBytes
{
    public FuseBytes(int count) => Count = count;

    public FuseBytes(ReadOnlyMemory<byte> lent, IDisposable lender) => (Count, Lent, Lender) = (lent.Length, lent, lender);

    public int Count { get; }

    public ReadOnlyMemory<byte> Lent { get; }

    /// <summary>Disposed by who sends the bytes; null: they are in the destination.</summary>
    public IDisposable? Lender { get; }
}
