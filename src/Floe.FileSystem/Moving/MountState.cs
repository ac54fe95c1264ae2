using System.Text.Json;
using System.Text.Json.Serialization;

namespace Floe.FileSystem.Moving;

/// <summary>
/// What a mount knows that the bucket does not, at one instant at which nobody used it: docs/format-filesystem.md. The bytes of its ranges travel
/// beside it, back to back, in the order of files and ranges.
/// </summary>
public sealed record MountState
{
    public const int CurrentVersion = 1;

    /// <summary>More would be no mount of a task: 10,000 parts of a few hundred files come to less.</summary>
    public const int MaxBytes = 256 << 20;

    private static readonly Dictionary<string, int> s_noLives = [];

    public int Version { get; init; } = CurrentVersion;

    /// <summary>Names all mounts of one task, one after the other; objects that they write carry it.</summary>
    public required string Lineage { get; init; }

    /// <summary>The lives of the task that led here, with how many snapshots each had had before it wrote its last object that counts.</summary>
    public IReadOnlyDictionary<string, int> Lives { get; init => field = value ?? s_noLives; } = s_noLives;

    /// <summary>What the mount showed: a bucket's folder ("bucket/prefix/"), or empty for all buckets.</summary>
    public required string Root { get; init; }

    public IReadOnlyList<NodeState> Nodes { get; init => field = value ?? []; } = [];

    /// <summary>Folders that the task had open and had read from. Older Floes wrote none: these are read on by the count of their names.</summary>
    public IReadOnlyList<ListingState> Listings { get; init => field = value ?? []; } = [];

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, MovingJson.Default.MountState);

    /// <exception cref="MountStateException">It is damaged, or of a newer version.</exception>
    public static MountState Parse(ReadOnlySpan<byte> bytes)
    {
        MountState? state;
        try
        {
            state = JsonSerializer.Deserialize(bytes, MovingJson.Default.MountState);
        }
        catch (JsonException e)
        {
            throw new MountStateException($"the snapshot's file system state cannot be read: {e.Message}", e);
        }

        if (state is null || state.Version != CurrentVersion)
        {
            throw new MountStateException($"the snapshot's file system state is of version {state?.Version}; this Floe reads {CurrentVersion}: use the Floe that wrote it, or a newer one") { IsOfThisMount = state is not null };
        }

        // A serializer gives null where a hostile state says so, whatever the types say.
        if (state.Nodes.Any(node => node?.Path is null) || state.Listings.Any(listing => listing?.Path is null))
        {
            throw new MountStateException("the snapshot's file system state has an entry without a path");
        }

        foreach (var node in state.Nodes)
        {
            node.Check();
        }

        foreach (var listing in state.Listings)
        {
            listing.Check();
        }

        return state;
    }
}

/// <summary>A file, folder or special file, by its path below the mount's root.</summary>
public sealed record NodeState
{
    /// <summary>More names than a mount makes; those of the next one go on behind it.</summary>
    private const ulong MaxIno = 1UL << 52;

    public required string Path { get; init; }

    /// <summary>What st_ino was, which programs that have it open may compare (SQLite does); 0: an older Floe wrote the state.</summary>
    public ulong Ino { get; init; }

    /// <summary>With the type.</summary>
    public required uint Mode { get; init; }

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    public uint RDev { get; init; }

    /// <summary>Seconds and nanoseconds.</summary>
    public long MTimeSeconds { get; init; }

    public uint MTimeNanos { get; init; }

    public bool HasSetMTime { get; init; }

    public bool HasOwnAttributes { get; init; }

    /// <summary>The object that the attributes were changed of, where there is no content; null: there is none, or an older Floe wrote the state.</summary>
    public ObjectState? Object { get; init; }

    /// <summary>Null for what is no file.</summary>
    public ContentState? Content { get; init; }

    internal static bool IsPath(string path) => !path.Split('/').Any(part => part is "" or "." or "..") && !path.Contains('\0', StringComparison.Ordinal);

    internal void Check()
    {
        if (!IsPath(Path))
        {
            throw new MountStateException("the snapshot's file system state names a path that is none");
        }

        if (Object is { Size: < 0 } || Ino > MaxIno)
        {
            throw new MountStateException($"the snapshot's file system state of '{Path}' makes no sense");
        }

        Content?.Check();
    }
}

/// <summary>A folder that was being listed, with the offsets at which its reader may be.</summary>
public sealed record ListingState
{
    /// <summary>Below the mount's root; empty: the root.</summary>
    public required string Path { get; init; }

    /// <summary>The offset behind the first of the keys. Each of the others is one further.</summary>
    public ulong Offset { get; init; }

    /// <summary>In key order, without the folder's prefix; those of folders end in '/'.</summary>
    public IReadOnlyList<string> Keys { get; init => field = value ?? []; } = [];

    internal string? KeyBefore(ulong offset) => offset >= Offset && offset - Offset < (ulong)Keys.Count ? Keys[(int)(offset - Offset)] : null;

    internal void Check()
    {
        if ((Path.Length > 0 && !NodeState.IsPath(Path)) || Offset > long.MaxValue || Keys.Any(string.IsNullOrEmpty))
        {
            throw new MountStateException("the snapshot's file system state has a listing that makes no sense");
        }
    }
}

/// <summary>The version of a file's or link's object.</summary>
public sealed record ObjectState(string ETag, long Size);

/// <summary>The content of a file.</summary>
public sealed record ContentState
{
    public required string Bucket { get; init; }

    public required string Key { get; init; }

    /// <summary>Left out of the JSON where it is 0, as every default is: so it cannot be required.</summary>
    public long Size { get; init; }

    /// <summary>ETag of the version that it rests on; null: none.</summary>
    public string? BaseETag { get; init; }

    public string? BaseKey { get; init; }

    public long BaseSize { get; init; }

    /// <summary>Bytes of that version that still count, from the start.</summary>
    public long BaseLimit { get; init; }

    /// <summary>ETag that the object must have when it is published; null: there must be none.</summary>
    public string? ExpectedETag { get; init; }

    public bool IsDirty { get; init; }

    /// <summary>The task had it open.</summary>
    public bool IsOpen { get; init; }

    public UploadState? Upload { get; init; }

    /// <summary>Ranges whose bytes travel with the snapshot.</summary>
    public IReadOnlyList<RangeState> Ranges { get; init => field = value ?? []; } = [];

    internal void Check()
    {
        long end = 0;
        var isSound = Size is >= 0 and <= 5L << 40 && BaseLimit >= 0 && BaseLimit <= Math.Min(BaseSize, Size) && Key.Length > 0;
        foreach (var range in Ranges)
        {
            isSound &= range.Offset >= end && range.Offset % Content.BlockMap.BlockBytes == 0 && range.Count > 0 && range.Count <= Size - range.Offset;
            end = range.Offset + range.Count;
        }

        if (Upload is { } upload)
        {
            isSound &= upload.Parts.All(p => p.Number is >= 1 and <= 10_000 && p.Size > 0 && p.Size == Content.PartGrid.BytesIn(p.Number, Size));
        }

        if (!isSound)
        {
            throw new MountStateException($"the snapshot's file system state of s3://{Bucket}/{Key} makes no sense");
        }
    }
}

/// <summary>The multipart upload under way.</summary>
public sealed record UploadState
{
    public required string UploadId { get; init; }

    public required string WriteId { get; init; }

    public required string Key { get; init; }

    public IReadOnlyList<PartState> Parts { get; init => field = value ?? []; } = [];
}

/// <param name="IsCarried">The ranges, and the version that the file rests on, have all of it. States of before this member leave that open.</param>
public sealed record PartState(int Number, string ETag, long Size, string? ChecksumCrc32C, bool IsCarried = false);

public sealed record RangeState(long Offset, long Count);

/// <summary>A state that cannot be taken over here. The message says why, in one line.</summary>
public sealed class MountStateException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The state is good: another mount, asked for in another way or by another Floe, can take it over.</summary>
    public bool IsOfThisMount { get; init; }
}

/// <summary>Unknown members are ignored: a newer writer of the same version may add some.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    MaxDepth = 16)]
[JsonSerializable(typeof(MountState))]
internal sealed partial class MovingJson : JsonSerializerContext;
