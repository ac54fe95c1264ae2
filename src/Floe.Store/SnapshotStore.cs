using Floe.S3;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.Store;

public sealed record SnapshotStoreOptions
{
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Version of the program, recorded in floe.json and manifests for people.</summary>
    public string WriterVersion { get; init; } = "";
}

/// <summary>A store of task snapshots in an object store, which it borrows. Safe for concurrent use.</summary>
public sealed partial class SnapshotStore
{
    /// <summary>
    /// Opens a store. With <paramref name="create"/> an empty place becomes one; without, a place that is no store is an
    /// <see cref="ObjectStoreException"/> of kind NotFound. A newer format is an <see cref="UnsupportedFormatException"/>.
    /// </summary>
    public static Task<SnapshotStore> OpenAsync(IObjectStore objects, SnapshotStoreOptions options, bool create, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    public IAsyncEnumerable<TaskKey> ListTasksAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The task's snapshots, newest first, damaged manifests included and named.</summary>
    public Task<IReadOnlyList<SnapshotListing>> ListSnapshotsAsync(TaskKey task, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Null when nobody ever took the lease.</summary>
    public Task<LeaseInfo?> ReadLeaseAsync(TaskKey task, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Takes the lease of a task. <see cref="LeaseRefusedException"/> when a live holder keeps it longer than the request waits.</summary>
    public Task<Lease> AcquireLeaseAsync(TaskKey task, LeaseRequest request, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Starts a snapshot. At most one writer may be open per <paramref name="known"/>; dispose it without a commit to abandon it.</summary>
    public SnapshotWriter BeginSnapshot(Lease lease, KnownBlocks known, SnapshotWriterOptions options) => throw new NotImplementedException();

    /// <summary>Opens a snapshot: manifest and index are read and verified. <see cref="SnapshotDamagedException"/> when they do not verify.</summary>
    public Task<SnapshotReader> OpenSnapshotAsync(TaskKey task, long seq, SnapshotReaderOptions options, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>
    /// Opens the newest snapshot whose manifest, index and every pack's directory verify, or gives null when there is none.
    /// Those passed over are named in <paramref name="passedOver"/> by seq and reason.
    /// </summary>
    public Task<SnapshotReader?> OpenLatestGoodAsync(TaskKey task, SnapshotReaderOptions options, ICollection<SnapshotProblem> passedOver, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>Re-reads every byte of a snapshot, or of all of the task's when <paramref name="seq"/> is null.</summary>
    public Task<VerifyReport> VerifyAsync(TaskKey task, long? seq, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Removes what the newest <paramref name="keep"/> readable snapshots do not need. The holder calls it after a commit; its failure harms nothing.</summary>
    public Task PruneAsync(Lease lease, KnownBlocks known, int keep, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Removes a task of another's or nobody's. Refused (<see cref="LeaseRefusedException"/>) while a live agent holds it, unless forced.</summary>
    public Task DeleteTaskAsync(TaskKey task, LeaseRequest request, bool force, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Removes the holder's own task, lease included: the lease is over afterwards.</summary>
    public Task DeleteTaskAsync(Lease lease, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Removes one snapshot. Refused while a live agent holds the task.</summary>
    public Task DeleteSnapshotAsync(TaskKey task, long seq, LeaseRequest request, CancellationToken cancellationToken) => throw new NotImplementedException();
}

/// <param name="Manifest">Null when it cannot be read; then <paramref name="Problem"/> says why.</param>
public sealed record SnapshotListing(long Seq, Manifest? Manifest, string? Problem);

public sealed record SnapshotProblem(long Seq, string ObjectKey, string Problem);

/// <param name="BytesRead">Stored bytes read again.</param>
public sealed record VerifyReport(IReadOnlyList<long> Snapshots, long BytesRead, IReadOnlyList<SnapshotProblem> Problems)
{
    public bool IsSound => Problems.Count == 0;
}
