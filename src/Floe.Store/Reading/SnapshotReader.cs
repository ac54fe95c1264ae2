namespace Floe.Store;

public sealed record SnapshotReaderOptions
{
    /// <summary>Memory for data fetched and decompressed ahead; the packs' directories (0.1 % of the data) come on top.</summary>
    public long BufferBudgetBytes { get; init; } = 64L << 20;
}

/// <summary>A committed snapshot, opened for reading.</summary>
public sealed class SnapshotReader : ISnapshotSource
{
    public Manifest Manifest => throw new NotImplementedException();

    public ReadOnlyMemory<byte>? TryGetSmallImage(string name) => throw new NotImplementedException();

    public IReadOnlyCollection<string> SmallImageNames => throw new NotImplementedException();

    public StoredStream? TryGetStream(string name) => throw new NotImplementedException();

    public IReadOnlyList<StoredStream> Streams => throw new NotImplementedException();

    public Task ReadStreamsAsync(IReadOnlyList<StoredStream> streams, IStreamConsumer consumer, CancellationToken cancellationToken) => throw new NotImplementedException();
}
