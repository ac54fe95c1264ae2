namespace Floe.Store;

public sealed record SnapshotWriterOptions
{
    private const long SmallestBudgetBytes = 56L << 20;

    // Of a batch's MiB, or of a few where they are compressed.
    private const long DirectoryBytes = 64 << 10;

    /// <summary>Memory for packs being filled or sent; every sink adds about 3 MiB of its own.</summary>
    public long BufferBudgetBytes { get; init; } = SmallestBudgetBytes;

    /// <summary>Size at which a pack is closed, 2 MiB to 1 GiB; null: what the budget and the store's connections make best, 3 to 64 MiB.</summary>
    public int? PackBytes { get; init; }

    /// <summary>Null: adapts to what is scarce, CPU or link.</summary>
    public IFrameCompressionPolicy? Compression { get; init; }

    /// <summary>How many snapshots the task keeps, this one included; at least 1. Older ones leave the task with this commit.</summary>
    public int KeepSnapshots { get; init; } = 2;

    /// <summary>Ends uploads and whoever waits for one: from then on every call is an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Stop { get; init; }

    /// <summary>
    /// What is on its way takes memory: one connection carries about 90 MB/s whatever the link can, so a large task needs many of them to be gone in time.
    /// </summary>
    /// <param name="snapshotBytes">About as large as the snapshot will be.</param>
    public static long BudgetFor(long snapshotBytes) => SmallestBudgetBytes + Math.Clamp(snapshotBytes / 2048, 0, 1L << 30);

    /// <summary>
    /// Every connection of the store busy with one pack, one pack being filled and one to spare; the pack size follows from the
    /// budget. A small budget gets small packs and not fewer connections, down to 3 MiB.
    /// </summary>
    internal (int PackBytes, int Buffers) Buffers(int maxConnections)
    {
        var wanted = Math.Clamp(maxConnections, 1, 1024) + 2;
        var batches = Math.Clamp(((BufferBudgetBytes / wanted) - DirectoryBytes) / Writing.FrameBuilder.BatchBytes, 3, 64);
        var pack = PackBytes ?? (int)((batches * Writing.FrameBuilder.BatchBytes) + DirectoryBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(pack, 2 << 20, nameof(PackBytes));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pack, Packs.PackFormat.MaxPackBytes, nameof(PackBytes));
        return (pack, (int)Math.Clamp(BufferBudgetBytes / pack, 2, wanted));
    }
}

/// <summary>What a writer has done so far; bytes.</summary>
public readonly record struct SnapshotProgress(long RawBytes, long ZeroBytes, long DedupBytes, long NewBytes, long UploadedBytes);
