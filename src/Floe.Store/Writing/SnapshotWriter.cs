namespace Floe.Store;

public sealed record SnapshotWriterOptions
{
    /// <summary>Memory for packs being filled or sent.</summary>
    public long BufferBudgetBytes { get; init; } = 80L << 20;

    /// <summary>Size at which a pack is closed; null: what the buffer budget and the store's connections make best, 4 to 64 MiB.</summary>
    public int? PackBytes { get; init; }

    /// <summary>Null: adapts to what is scarce, CPU or link.</summary>
    public IFrameCompressionPolicy? Compression { get; init; }

    /// <summary>How many snapshots the task keeps, this one included; at least 1. Older ones leave the task with this commit.</summary>
    public int KeepSnapshots { get; init; } = 2;
}

/// <summary>What a writer has done so far; bytes.</summary>
public readonly record struct SnapshotProgress(long RawBytes, long ZeroBytes, long DedupBytes, long NewBytes, long UploadedBytes);

/// <summary>A snapshot being written. Nothing of it can be seen in the store before <see cref="CommitAsync"/>; dispose without commit abandons it.</summary>
public sealed class SnapshotWriter : ISnapshotContent, IAsyncDisposable
{
    public SnapshotProgress Progress => throw new NotImplementedException();

    public StreamId AddStream(string name) => throw new NotImplementedException();

    public IBlockSink CreateSink() => throw new NotImplementedException();

    public void AddSmallImage(string name, byte[] content) => throw new NotImplementedException();

    /// <summary>Sends what is waiting in pack buffers and returns when all of it is durable: blocks stay known even if this snapshot is then abandoned (pre-copy).</summary>
    public Task FlushAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>
    /// Makes the snapshot part of the task: everything durable, lease confirmed, manifest written. All sinks must be disposed.
    /// <see cref="LeaseLostException"/> when the task is another agent's now; an <see cref="Floe.S3.ObjectStoreException"/> when the store fails.
    /// </summary>
    public Task<Manifest> CommitAsync(TaskFacts task, MachineFacts machine, SnapshotTimings timings, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
