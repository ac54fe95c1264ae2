using Floe.S3;
using Floe.Store;

namespace Floe.Agent.Run;

/// <summary>How `floe run` takes the lease of its key, and how it leaves one under which nothing of the task has run.</summary>
internal static class TaskLease
{
    // One that waits for no other holder takes less.
    private static readonly TimeSpan s_acquisition = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan s_releasePatience = TimeSpan.FromSeconds(5);

    /// <exception cref="FloeException">Another agent has it.</exception>
    /// <exception cref="ObjectStoreException">The store cannot be used, or two agents could have it at a time.</exception>
    /// <exception cref="OperationCanceledException">It is as it was.</exception>
    public static async Task<Lease> AcquireAsync(SnapshotStore store, TaskKey key, RunOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var request = new LeaseRequest
        {
            HolderId = Guid.NewGuid().ToString("n"),
            Host = Environment.MachineName,
            WaitUpTo = options.LeaseWait,
            Job = options.Scheduler is { } job ? new JobAttempt($"{job.Kind}/{job.JobId}", job.Attempt) : null,
            TakeOverFromEarlierAttempt = options.Scheduler is not null,
        };
        Lease lease;
        try
        {
            lease = await AcquireAsync(store, key, request, time, cancellationToken).ConfigureAwait(false);
        }
        catch (LeaseRefusedException e)
        {
            throw new FloeException(ExitCodes.StoreError, e.Message, e);
        }

        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            await lease.RequireConditionsAsync(cancellationToken).ConfigureAwait(false);
            return lease;
        }
        catch
        {
            await TryGiveBackAsync(lease, time).ConfigureAwait(false);
            await lease.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Given up in its middle, a lease would be held by nobody until its ttl is over, and what was known of its newest snapshot be lost.</summary>
    private static async Task<Lease> AcquireAsync(SnapshotStore store, TaskKey key, LeaseRequest request, TimeProvider time, CancellationToken cancellationToken)
    {
        using var stop = new CancellationTokenSource();
        var acquiring = store.AcquireLeaseAsync(key, request, stop.Token);
        try
        {
            return await acquiring.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Task.WhenAny(acquiring, Task.Delay(s_acquisition, time, CancellationToken.None)).ConfigureAwait(false);
            await stop.CancelAsync().ConfigureAwait(false);
            return await acquiring.ConfigureAwait(false);
        }
    }

    private static async Task TryGiveBackAsync(Lease lease, TimeProvider time)
    {
        using var limit = new CancellationTokenSource(s_releasePatience, time);
        try
        {
            await lease.ReleaseAsync(lease.StateAsTaken, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectStoreException or OperationCanceledException)
        {
            // The failure that led here is the one to report; the next agent waits for the ttl.
        }
    }
}
