using System.Runtime.CompilerServices;
using System.Text.Json;
using Floe.S3;
using Floe.Store.Keeping;
using Floe.Store.Leases;
using Floe.Store.Manifests;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.Store;

public sealed record SnapshotStoreOptions
{
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Name and version of the program, recorded in floe.json for people.</summary>
    public string CreatedBy { get; init; } = "";
}

/// <summary>A store of task snapshots in an object store, which it borrows. Safe for concurrent use.</summary>
public sealed class SnapshotStore
{
    private const string StoreKind = "floe-store";
    private const int MaxStoreFileBytes = 64 << 10;
    private const int MaxTraceBytes = 4 << 20;
    private const int MaxStartBytes = 256 << 20;

    private readonly IObjectStore _objects;
    private readonly SnapshotStoreOptions _options;

    private SnapshotStore(IObjectStore objects, SnapshotStoreOptions options)
    {
        _objects = objects;
        _options = options;
    }

    /// <summary>
    /// Opens a store. With <paramref name="create"/> an empty place becomes one; without, a place that is no store is an
    /// <see cref="ObjectStoreException"/> of kind NotFound. A newer format is an <see cref="UnsupportedFormatException"/>.
    /// </summary>
    public static async Task<SnapshotStore> OpenAsync(IObjectStore objects, SnapshotStoreOptions options, bool create, CancellationToken cancellationToken)
    {
        var found = await objects.GetAsync(StoreLayout.StoreFile, MaxStoreFileBytes, cancellationToken).ConfigureAwait(false);
        if (found is null && create)
        {
            var document = new StoreDocument { Kind = StoreKind, FormatVersion = FormatVersion.Current, CreatedBy = options.CreatedBy, CreatedAt = options.TimeProvider.GetUtcNow() };
            try
            {
                await objects.PutAsync(StoreLayout.StoreFile, JsonSerializer.SerializeToUtf8Bytes(document, StoreJson.Default.StoreDocument), PutCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
            }
            catch (ObjectStoreException raced) when (raced.Kind == ObjectStoreErrorKind.PreconditionFailed)
            {
                // Another agent made the same place a store: read what it wrote.
            }

            found = await objects.GetAsync(StoreLayout.StoreFile, MaxStoreFileBytes, cancellationToken).ConfigureAwait(false);
        }

        if (found is null)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.NotFound, $"there is no store at {objects.Url}; check the URL, or run a task there first");
        }

        Check(found.Content, objects.Url);
        return new SnapshotStore(objects, options);
    }

    /// <summary>What a store has at its top where it is a folder.</summary>
    public static IReadOnlyList<string> FolderNames { get; } = [ObjectStores.FolderName, StoreLayout.StoreFile.Value, StoreLayout.TasksPrefix.Value.TrimEnd('/')];

    /// <inheritdoc cref="IObjectStore.FailingFor"/>
    public TimeSpan FailingFor => _objects.FailingFor;

    public async IAsyncEnumerable<TaskKey> ListTasksAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var folder in _objects.ListFoldersAsync(StoreLayout.TasksPrefix, cancellationToken).ConfigureAwait(false))
        {
            var name = folder.Value.AsSpan().TrimEnd('/');
            if (TaskKey.TryParse(name[(name.LastIndexOf('/') + 1)..].ToString(), out var task, out _))
            {
                yield return task;
            }
        }
    }

    /// <summary>The task's snapshots, newest first; those whose manifest cannot be read are named with the reason.</summary>
    public async Task<IReadOnlyList<SnapshotListing>> ListSnapshotsAsync(TaskKey task, CancellationToken cancellationToken) =>
        (await ReadTaskAsync(task, cancellationToken).ConfigureAwait(false)).Snapshots;

    /// <summary>The task's snapshots, as above, and its lease, null when nobody ever took it.</summary>
    public async Task<(IReadOnlyList<SnapshotListing> Snapshots, LeaseInfo? Lease)> ReadTaskAsync(TaskKey task, CancellationToken cancellationToken)
    {
        var catalog = await SnapshotCatalog.ReadAsync(_objects, task, cancellationToken).ConfigureAwait(false);
        var snapshots = catalog.Entries
            .Where(e => e.Problem is not null || catalog.Valid.Contains(e))
            .Select(e => new SnapshotListing(e.Seq, e.Manifest, e.Problem) { IsUnsupported = e.IsUnsupported });
        return ([.. snapshots], catalog.Lease is { } lease ? LeaseFile.Info(lease) : null);
    }

    /// <summary>
    /// Takes the lease of a task. <see cref="LeaseRefusedException"/> when a live holder keeps it longer than the request waits;
    /// <see cref="LeaseLostException"/> when this agent was paused on the way and another has taken over since.
    /// </summary>
    public Task<Lease> AcquireLeaseAsync(TaskKey task, LeaseRequest request, CancellationToken cancellationToken) =>
        new LeaseAcquisition(_objects, task, request, _options.TimeProvider, _options.Logger).AcquireAsync(cancellationToken);

    /// <summary>Starts a snapshot. At most one writer may be open per <paramref name="known"/>; dispose it without a commit to abandon it.</summary>
    public SnapshotWriter BeginSnapshot(Lease lease, KnownBlocks known, SnapshotWriterOptions options) => new(_objects, lease, known, options, _options.TimeProvider);

    /// <summary>Opens a snapshot: manifest and index are read and verified. <see cref="SnapshotDamagedException"/> when they do not verify or are not there.</summary>
    public async Task<SnapshotReader> OpenSnapshotAsync(TaskKey task, long seq, SnapshotReaderOptions options, CancellationToken cancellationToken)
    {
        var key = StoreLayout.Manifest(task, seq).Value;
        return await SnapshotCatalog.ReadEntryAsync(_objects, task, seq, cancellationToken).ConfigureAwait(false) switch
        {
            { Manifest: { } manifest } => await SnapshotReader.OpenAsync(_objects, task, manifest, options, cancellationToken).ConfigureAwait(false),
            { IsUnsupported: true, Problem: { } problem } => throw new UnsupportedFormatException(problem),
            { Problem: { } problem } => throw new SnapshotDamagedException(key, problem),
            _ => throw new SnapshotDamagedException(key, "there is no such snapshot"),
        };
    }

    /// <summary>Re-reads every byte of a snapshot, or of all of the task's when <paramref name="seq"/> is null.</summary>
    public Task<VerifyReport> VerifyAsync(TaskKey task, long? seq, CancellationToken cancellationToken) =>
        new Verification(_objects, task).RunAsync(seq, cancellationToken);

    /// <summary>
    /// Removes what the newest <paramref name="keep"/> readable snapshots that the task went on from, and later ones, do not need. The holder calls it after a commit and
    /// outside any hurry; if it fails or is cut short nothing is harmed, and the next one makes up for it.
    /// </summary>
    public Task PruneAsync(Lease lease, KnownBlocks known, int keep, CancellationToken cancellationToken) =>
        new Pruning(_objects, lease, known).RunAsync(keep, cancellationToken);

    /// <summary>The task's trace, whose content this room does not know; null when there is none.</summary>
    public Task<SmallObject?> ReadTraceAsync(TaskKey task, CancellationToken cancellationToken) =>
        _objects.GetAsync(StoreLayout.Trace(task), MaxTraceBytes, cancellationToken);

    /// <summary>Writes the task's trace; an <see cref="ObjectStoreException"/> of kind PreconditionFailed when another agent wrote it.</summary>
    public Task<ETag> WriteTraceAsync(TaskKey task, ReadOnlyMemory<byte> content, PutCondition condition, CancellationToken cancellationToken) =>
        _objects.PutAsync(StoreLayout.Trace(task), content, condition, cancellationToken);

    /// <summary>What was noted at the task's first start, whose content this room does not know; null when nothing was.</summary>
    public Task<SmallObject?> ReadStartAsync(TaskKey task, CancellationToken cancellationToken) =>
        _objects.GetAsync(StoreLayout.Start(task), MaxStartBytes, cancellationToken);

    /// <summary>Notes something at the first start of the lease's task; it goes with the task. Never written twice: PreconditionFailed.</summary>
    public Task WriteStartAsync(Lease lease, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        _objects.PutAsync(StoreLayout.Start(lease.Key), content, PutCondition.IfAbsent, cancellationToken);

    /// <summary>
    /// Removes the holder's own task, lease included, trace excluded: the lease is over afterwards. However long it takes, the lease is renewed meanwhile;
    /// <see cref="LeaseLostException"/> when another agent has it all the same, whose lease then stays.
    /// </summary>
    public Task DeleteTaskAsync(Lease lease, CancellationToken cancellationToken) => DeleteTaskAsync(lease, keepTrace: true, cancellationToken);

    private async Task DeleteTaskAsync(Lease lease, bool keepTrace, CancellationToken cancellationToken)
    {
        await lease.RenewAsync(cancellationToken).ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost);
        try
        {
            await Removal.RunAsync(_objects, lease.Key, keepTrace, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new LeaseLostException($"task {lease.Key} was taken over while it was being removed");
        }

        await lease.RemoveAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Removes a task, its trace too, under its lease, so that no agent can be in the middle of it. Refused (<see cref="LeaseRefusedException"/>)
    /// while another agent holds it, unless <paramref name="force"/>: then that agent finds its lease gone and cannot commit.
    /// </summary>
    public async Task DeleteTaskAsync(TaskKey task, LeaseRequest request, bool force, CancellationToken cancellationToken)
    {
        if (force)
        {
            await Removal.RunAsync(_objects, task, keepTrace: false, cancellationToken).ConfigureAwait(false);
            await new LeaseFile(_objects, task).DeleteAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        var lease = await AcquireLeaseAsync(task, request, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            await DeleteTaskAsync(lease, keepTrace: false, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes a task, its trace too, that no agent has written to since <paramref name="before"/>, a time of the store's clock. False where one has, or holds it:
    /// nothing is gone then, even if that agent took it up, or took it up and left it again, while it was being looked at.
    /// </summary>
    public async Task<bool> TryRemoveAbandonedAsync(TaskKey task, LeaseRequest request, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var abandoned = new AbandonedTask(_objects, task, before);
        if (!await abandoned.IsUntouchedAsync(cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        try
        {
            var lease = await AcquireLeaseAsync(task, request, cancellationToken).ConfigureAwait(false);
            await using (lease.ConfigureAwait(false))
            {
                // What an agent wrote before this one had the lease; the fence is the last slot of it.
                if (await abandoned.IsUntouchedAsync(cancellationToken, StoreLayout.Lease(task), StoreLayout.Manifest(task, lease.NextSeq - 1)).ConfigureAwait(false))
                {
                    await DeleteTaskAsync(lease, keepTrace: false, cancellationToken).ConfigureAwait(false);
                    return true;
                }

                if (lease.TakenFrom is not { State: LeaseState.Held })
                {
                    await lease.ReleaseAsync(lease.TakenFrom?.State ?? LeaseState.Released, cancellationToken).ConfigureAwait(false);
                }

                return false;
            }
        }
        catch (Exception taken) when (taken is LeaseRefusedException or LeaseLostException)
        {
            return false;
        }
        catch (SnapshotDamagedException damage) when (damage.ObjectKey == StoreLayout.Lease(task).Value)
        {
            // Nobody can take a lease that cannot be read, and an agent that has it writes it again and again.
            if (!await abandoned.IsLeaseUntouchedAsync(cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            await DeleteTaskAsync(task, request, force: true, cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    /// <summary>Removes one snapshot, under the task's lease. Refused while another agent holds the task.</summary>
    public async Task DeleteSnapshotAsync(TaskKey task, long seq, LeaseRequest request, CancellationToken cancellationToken)
    {
        var lease = await AcquireLeaseAsync(task, request, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            var isNewest = lease.Seqs.Count == 0 || seq >= lease.Seqs[^1];
            await _objects.DeleteAsync([StoreLayout.Manifest(task, seq)], cancellationToken).ConfigureAwait(false);
            await PruneAsync(lease, new KnownBlocks(), int.MaxValue, cancellationToken).ConfigureAwait(false);
            // Nothing of the task has run: what was known of its newest snapshot still holds, unless that is the one that is gone.
            await lease.ReleaseAsync(isNewest ? LeaseState.Released : lease.StateAsTaken, cancellationToken).ConfigureAwait(false);
        }
    }

    private static void Check(byte[] content, StoreUrl url)
    {
        StoreDocument? document;
        try
        {
            document = JsonSerializer.Deserialize(content, StoreJson.Default.StoreDocument);
        }
        catch (JsonException)
        {
            document = null;
        }

        if (document?.Kind != StoreKind || document.FormatVersion < 1)
        {
            throw new UnsupportedFormatException($"floe.json at {url} is not one of floe's: the place is in use for something else; choose another URL");
        }

        FormatVersion.Check(document.FormatVersion, document.RequiredFeatures, $"the store at {url}");
    }
}

/// <param name="Manifest">Null when it cannot be read; then <paramref name="Problem"/> says why.</param>
public sealed record SnapshotListing(long Seq, Manifest? Manifest, string? Problem)
{
    /// <summary>The problem is a newer format and no damage: no reason to go back in time.</summary>
    public bool IsUnsupported { get; init; }
}

public sealed record SnapshotProblem(long Seq, string ObjectKey, string Problem);

/// <param name="BytesRead">Stored bytes read again.</param>
public sealed record VerifyReport(IReadOnlyList<long> Snapshots, long BytesRead, IReadOnlyList<SnapshotProblem> Problems)
{
    public bool IsSound => Problems.Count == 0;
}
