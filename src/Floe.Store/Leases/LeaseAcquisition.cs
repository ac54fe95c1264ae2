using System.Security.Cryptography;
using Floe.S3;
using Floe.Store.Keeping;
using Floe.Store.Manifests;
using Microsoft.Extensions.Logging;

namespace Floe.Store.Leases;

/// <summary>
/// Takes a task's lease: by compare-and-swap when it is free, and from a holder that is dead. A holder is dead when its lease
/// stayed the same for its ttl, measured by watching (this agent's monotonic clock) or by the store's clock alone; two machines'
/// clocks are never compared. Then every earlier holder is fenced off (docs/format.md, "Fencing").
/// </summary>
internal sealed partial class LeaseAcquisition(IObjectStore objects, TaskKey task, LeaseRequest request, TimeProvider time, ILogger logger)
{
    /// <summary>How often a lease that somebody holds is looked at.</summary>
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromSeconds(2);

    private const int MaxFenceAttempts = 64;

    private readonly LeaseFile _file = new(objects, task);

    public async Task<Lease> AcquireAsync(CancellationToken cancellationToken)
    {
        if (request.TakeOverFromEarlierAttempt && request.Job is null)
        {
            throw new ArgumentException("a take-over needs to know the job");
        }

        var lease = await TakeAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            lease.StartRenewing();
            await FenceAsync(lease, cancellationToken).ConfigureAwait(false);
            return lease;
        }
        catch
        {
            await lease.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task<Lease> TakeAsync(CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        ETag? watched = null;
        long watchedSince = 0;
        var waits = false;
        while (true)
        {
            var found = await _file.ReadAsync(cancellationToken).ConfigureAwait(false);
            var now = time.GetTimestamp();
            if (found is not { } current)
            {
                var (generation, incarnation) = await AfterLostLeaseAsync(cancellationToken).ConfigureAwait(false);
                if (await TryWriteAsync(generation, incarnation, null, null, cancellationToken).ConfigureAwait(false) is { } first)
                {
                    return first;
                }

                continue;
            }

            if (watched != current.ETag)
            {
                watched = current.ETag;
                watchedSince = now;
            }

            var ttl = LeaseFile.Ttl(current.Document);
            var unchanged = time.GetElapsedTime(watchedSince, now);
            if (IsFree(current.Document) || unchanged >= ttl
                || await _file.AgeAsync(current.ETag, current.ServerTime, cancellationToken).ConfigureAwait(false) >= ttl)
            {
                if (await TryWriteAsync(current.Document.Generation + 1, current.Document.Incarnation, current.ETag, current.Document, cancellationToken).ConfigureAwait(false) is { } lease)
                {
                    return lease;
                }

                continue;
            }

            var left = request.WaitUpTo - time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
            {
                throw Refused(current.Document);
            }

            if (!waits)
            {
                waits = true;
                LogWaiting(logger, task.Value, current.Document.HolderId, current.Document.Host, (long)request.WaitUpTo.TotalSeconds);
            }

            var pause = Min(s_pollInterval, Min(left, ttl - unchanged));
            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool IsFree(LeaseDocument document) =>
        document.State != LeaseState.Held
        || (request.TakeOverFromEarlierAttempt && document.Job is { } job && job.JobId == request.Job!.JobId && job.Attempt < request.Job.Attempt);

    private async Task<Lease?> TryWriteAsync(long generation, string incarnation, ETag? expected, LeaseDocument? before, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var document = new LeaseDocument
        {
            FormatVersion = FormatVersion.Current,
            Generation = generation,
            Incarnation = incarnation,
            State = LeaseState.Held,
            HolderId = request.HolderId,
            Host = request.Host,
            ProcessId = request.ProcessId,
            Job = request.Job,
            TtlMillis = (long)LeaseFile.Clamp(request.Ttl).TotalMilliseconds,
            Renewals = 0,
            RenewedAt = time.GetUtcNow(),
        };
        return await _file.TryWriteAsync(document, expected, cancellationToken).ConfigureAwait(false) is { } etag
            ? new Lease(task, _file, document, etag, started, before is null ? null : LeaseFile.Info(before), time, logger)
            : null;
    }

    /// <summary>
    /// Where there is no lease there may still be snapshots whose lease somebody removed: their history goes on, with a generation
    /// above every one that left a trace. Otherwise a new history begins.
    /// </summary>
    private async Task<(long Generation, string Incarnation)> AfterLostLeaseAsync(CancellationToken cancellationToken)
    {
        long highest = 0;
        var hasSnapshots = false;
        await foreach (var item in objects.ListAsync(StoreLayout.TaskPrefix(task), cancellationToken).ConfigureAwait(false))
        {
            hasSnapshots |= StoreLayout.TryParseManifest(task, item.Key) is not null;
            highest = Math.Max(highest, StoreLayout.GenerationOf(task, item.Key) ?? 0);
        }

        string? incarnation = null;
        if (hasSnapshots)
        {
            var catalog = await SnapshotCatalog.ReadAsync(objects, task, cancellationToken).ConfigureAwait(false);
            foreach (var entry in catalog.Entries)
            {
                highest = Math.Max(highest, entry.Manifest?.Generation ?? entry.Fence?.Generation ?? 0);
                incarnation ??= entry.Manifest?.Incarnation;
            }
        }

        return (highest + 1, incarnation ?? RandomNumberGenerator.GetHexString(16, lowercase: true));
    }

    /// <summary>Takes the next slot away from every earlier holder, and learns which snapshots there are.</summary>
    private async Task FenceAsync(Lease lease, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < MaxFenceAttempts; attempt++)
        {
            var catalog = await SnapshotCatalog.ReadAsync(objects, task, cancellationToken).ConfigureAwait(false);
            if (catalog.Entries.Any(e => e.Manifest is { } m && m.Incarnation == lease.Incarnation && m.Generation > lease.Generation)
                || catalog.Entries.Any(e => e.Fence is { } f && f.Incarnation == lease.Incarnation && f.Generation > lease.Generation))
            {
                throw new LeaseLostException($"another agent took over task {task} while this one was taking its lease (generation {lease.Generation})");
            }

            var slot = catalog.HighestSlot + 1;
            var fence = new FenceDocument
            {
                FormatVersion = FormatVersion.Current,
                Key = task.Value,
                Seq = slot,
                Generation = lease.Generation,
                Incarnation = lease.Incarnation,
                HolderId = request.HolderId,
            };
            try
            {
                await objects.PutAsync(StoreLayout.Manifest(task, slot), ManifestCodec.Write(fence), PutCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
            }
            catch (ObjectStoreException taken) when (taken.Kind == ObjectStoreErrorKind.PreconditionFailed)
            {
                // An earlier holder was quicker: what it wrote is part of the history that we go on from.
                continue;
            }

            lease.NextSeq = slot + 1;
            lease.AddSeqs(catalog.Valid.Select(e => e.Seq).Order());
            return;
        }

        throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, $"the snapshots of task {task} keep changing while its lease is taken; is another agent out of control?");
    }

    private LeaseRefusedException Refused(LeaseDocument held)
    {
        var by = $"{FormatVersion.Printable(held.HolderId)} on {FormatVersion.Printable(held.Host)}, pid {held.ProcessId}, last renewed {held.RenewedAt:yyyy-MM-dd HH:mm:ss}Z by its clock";
        return new LeaseRefusedException(
            $"task {task} is run by another agent ({by}); stop it, or wait at least {(long)LeaseFile.Ttl(held).TotalSeconds} s for it if it is dead",
            LeaseFile.Info(held));
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    [LoggerMessage(2003, LogLevel.Information, "Task {Task} is held by {Holder} on {Host}; waiting for its lease up to {Seconds} s")]
    private static partial void LogWaiting(ILogger logger, string task, string holder, string host, long seconds);
}
