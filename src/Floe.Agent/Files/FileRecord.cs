namespace Floe.Agent.Files;

/// <summary>Kinds as stored in files/list (docs/format-files.md).</summary>
public enum FileRecordKind : byte
{
    End = 0,

    /// <summary>The path, and all below it, is not there.</summary>
    Deleted = 1,
    Regular = 2,
    Directory = 3,
    SymbolicLink = 4,

    /// <summary>Another name of a regular file (or FIFO, device, symbolic link) that is recorded earlier in the list.</summary>
    HardLink = 5,
    Fifo = 6,
    CharacterDevice = 7,
    BlockDevice = 8,

    /// <summary>A socket was bound here. CRIU binds it again, so nothing may be there when it does.</summary>
    Socket = 9,
}

/// <summary>Seconds since 1970 and nanoseconds, as an inode holds them.</summary>
public readonly record struct FileTime(long Seconds, uint Nanoseconds);

/// <summary>An extended attribute; both are bytes.</summary>
public sealed record FileAttribute(byte[] Name, byte[] Value);

/// <summary>One path of a snapshot that differs from the start: what is to be there.</summary>
public sealed record FileRecord
{
    public required FileRecordKind Kind { get; init; }

    /// <summary>In the form of <see cref="KernelPath"/>: no leading slash.</summary>
    public required byte[] Path { get; init; }

    /// <summary>Permissions with the set-id and sticky bits: 07777.</summary>
    public uint Mode { get; init; }

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    public FileTime Modified { get; init; }

    public FileTime Accessed { get; init; }

    public IReadOnlyList<FileAttribute> Attributes { get; init; } = [];

    /// <summary>Length of a regular file's content, holes included.</summary>
    public long ByteCount { get; init; }

    /// <summary>Which content stream holds the content; see <see cref="FileStreams.ContentName"/>. Meaningless for an empty file.</summary>
    public int ContentStream { get; init; }

    /// <summary>Where in that stream the content starts.</summary>
    public long ContentOffset { get; init; }

    /// <summary>Of a regular file.</summary>
    public FileClaim Claim { get; init; }

    /// <summary>The text of a symbolic link, or the path of the record that a hard link shares its inode with.</summary>
    public byte[] Target { get; init; } = [];

    public uint DeviceMajor { get; init; }

    public uint DeviceMinor { get; init; }

    /// <summary>Whether the record brings an inode with owner, mode and times.</summary>
    public bool HasMetadata => Kind is not (FileRecordKind.Deleted or FileRecordKind.HardLink or FileRecordKind.Socket or FileRecordKind.End);
}

/// <summary>Names of the streams that hold file state in a snapshot.</summary>
public static class FileStreams
{
    public const string ListName = "files/list";

    /// <summary>More streams let a restore write files in parallel; a bound for what is read.</summary>
    public const int MaxContentStreams = 64;

    public static string ContentName(int stream) => $"files/content/{stream}";
}
