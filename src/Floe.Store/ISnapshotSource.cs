namespace Floe.Store;

/// <summary>A stored snapshot's content, for restore. Every block is verified before it is handed out. Safe for concurrent use.</summary>
public interface ISnapshotSource
{
    /// <summary>Null when the snapshot has no such small image.</summary>
    ReadOnlyMemory<byte>? TryGetSmallImage(string name);

    IReadOnlyCollection<string> SmallImageNames { get; }

    /// <summary>Null when the snapshot has no such stream.</summary>
    StoredStream? TryGetStream(string name);

    IReadOnlyList<StoredStream> Streams { get; }

    /// <summary>
    /// Reads whole streams one after the other, frames fetched and decompressed ahead in parallel within a bounded budget,
    /// and hands their bytes to <paramref name="consumer"/> in order. Damage is a <see cref="SnapshotDamagedException"/>.
    /// </summary>
    Task ReadStreamsAsync(IReadOnlyList<StoredStream> streams, IStreamConsumer consumer, CancellationToken cancellationToken);
}

/// <param name="ByteCount">Length of the content, zero runs included.</param>
public sealed record StoredStream(StreamId Id, string Name, long ByteCount);

/// <summary>Takes what <see cref="ISnapshotSource.ReadStreamsAsync"/> reads: for each stream Begin, any mix of Data and Zeros, End.</summary>
public interface IStreamConsumer
{
    ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken);

    /// <summary>The memory is borrowed for the call, and beyond it until <see cref="ReleasedAsync"/>, for a consumer that has one.</summary>
    ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>How much has come so far, in the consumer's own measure: a mark for <see cref="ReleasedAsync"/>.</summary>
    long Given => 0;

    /// <summary>Returns when no memory is needed any more that came before <see cref="Given"/> was <paramref name="given"/>.</summary>
    ValueTask ReleasedAsync(long given, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>The read has failed, and all memory is taken back now.</summary>
    void Abandoned()
    {
    }

    /// <summary>A run of zeros: a consumer that writes a file leaves a hole, one that writes a pipe writes zeros.</summary>
    ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken);

    ValueTask EndAsync(CancellationToken cancellationToken);
}

/// <summary>Stored bytes that do not verify. <paramref name="objectKey"/> names the damaged object.</summary>
public sealed class SnapshotDamagedException(string objectKey, string message) : Exception($"{objectKey}: {message}")
{
    public string ObjectKey { get; } = objectKey;
}
