namespace Floe.Store;

/// <summary>
/// What a committed snapshot is: everything needed to check a machine against it and to find its bytes. Immutable once written.
/// </summary>
public sealed record Manifest
{
    internal const string KindName = "snapshot";

    /// <summary>Tells a snapshot from the other documents that can lie in its place.</summary>
    public string Kind { get; init => field = value ?? KindName; } = KindName;

    public required int FormatVersion { get; init; }

    /// <summary>Features a reader must know to read this snapshot rightly; a reader that does not know one refuses.</summary>
    public IReadOnlyList<string> RequiredFeatures { get; init => field = value ?? []; } = [];

    public required string Key { get; init; }

    /// <summary>Position in the task's history; the newest has the highest.</summary>
    public required long Seq { get; init; }

    /// <summary>Generation of the lease under which it was committed.</summary>
    public required long Generation { get; init; }

    /// <summary>The history it belongs to: a task that was removed and begun anew has another.</summary>
    public required string Incarnation { get; init; }

    /// <summary>The committing machine's clock: for people, never for decisions.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Snapshots of a lower seq are no part of the task any more once this one is committed.</summary>
    public required long OldestKept { get; init; }

    /// <summary>First frame id that no pack named here uses.</summary>
    public required long NextFrame { get; init; }

    /// <summary>What the blocks of all packs named here are hashed with, 16 lower-case hex digits; null: 0.</summary>
    public string? BlockSeed { get; init; }

    internal Blocks.BlockSeed Seed => Blocks.BlockSeed.TryParse(BlockSeed) ?? throw new InvalidDataException("its block seed is none");

    public required IndexReference Index { get; init; }

    public required IReadOnlyList<PackReference> Packs { get; init; }

    public required SnapshotTotals Totals { get; init; }

    public required TaskFacts Task { get; init; }

    public required MachineFacts Machine { get; init; }

    public required SnapshotTimings Timings { get; init; }
}

/// <param name="Name">Object name below the task's snapshots/.</param>
/// <param name="Size">Stored bytes.</param>
/// <param name="Sha256">Of the stored bytes, 64 lower-case hex digits.</param>
/// <param name="RawBytes">Bytes after decompression.</param>
public sealed record IndexReference(string Name, long Size, string Sha256, long RawBytes);

/// <param name="Name">Object name below the task's packs/.</param>
/// <param name="Size">Stored bytes of the whole pack.</param>
/// <param name="DirectorySha256">Of the directory's bytes, 64 lower-case hex digits.</param>
public sealed record PackReference(string Name, long Size, long DirectoryOffset, int DirectoryLength, string DirectorySha256);

/// <summary>What a snapshot holds and what it cost to send; bytes.</summary>
public sealed record SnapshotTotals
{
    /// <summary>Content of all streams, zero runs included.</summary>
    public long RawBytes { get; init; }

    /// <summary>Part of <see cref="RawBytes"/> that is zero and only named.</summary>
    public long ZeroBytes { get; init; }

    /// <summary>Part of <see cref="RawBytes"/> that the store had already, or that this snapshot repeats.</summary>
    public long DedupBytes { get; init; }

    /// <summary>Part of <see cref="RawBytes"/> that had to be stored: raw size of new blocks.</summary>
    public long NewBytes { get; init; }

    /// <summary>Bytes of all packs and the index that this snapshot put into the store.</summary>
    public long UploadedBytes { get; init; }

    /// <summary>Blocks named, zero runs not counted.</summary>
    public long Blocks { get; init; }

    public long Streams { get; init; }

    public long SmallImages { get; init; }

    public long SmallImageBytes { get; init; }
}
