namespace Floe.Store;

/// <summary>How to take a task's lease.</summary>
public sealed record LeaseRequest
{
    /// <summary>Unique to this run of an agent.</summary>
    public required string HolderId { get; init; }

    /// <summary>Host name, for messages.</summary>
    public required string Host { get; init; }

    public int ProcessId { get; init; } = Environment.ProcessId;

    /// <summary>After how long without renewal another agent may take the lease: 1 s to 1 h.</summary>
    public TimeSpan Ttl { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long to wait for a live holder to let go or to die. Zero: refuse at once unless the lease is free.</summary>
    public TimeSpan WaitUpTo { get; init; } = TimeSpan.Zero;

    /// <summary>The scheduler's job and attempt that this agent runs for; recorded so that a later attempt can take over. Null when there is none.</summary>
    public JobAttempt? Job { get; init; }

    /// <summary>
    /// Take the lease at once from a holder that ran for the same job in an earlier attempt: schedulers such as AWS Batch start an
    /// attempt only when the one before is over, so that holder is dead however fresh its lease looks. Needs <see cref="Job"/>.
    /// </summary>
    public bool TakeOverFromEarlierAttempt { get; init; }
}

/// <param name="JobId">Without the attempt: what stays equal between attempts.</param>
/// <param name="Attempt">1, 2, …</param>
public sealed record JobAttempt(string JobId, int Attempt);

public enum LeaseState
{
    Held,
    /// <summary>The holder is done with the task.</summary>
    Released,
    /// <summary>The holder committed a snapshot and left the task to whoever comes next.</summary>
    HandedOver,
}

/// <summary>What a store says about a task's lease now.</summary>
/// <param name="RenewedAt">The holder's clock at its last renewal: for people.</param>
public sealed record LeaseInfo(long Generation, LeaseState State, string HolderId, string Host, int ProcessId, JobAttempt? Job, TimeSpan Ttl, DateTimeOffset RenewedAt);

/// <summary>Whether this agent still has the task for itself.</summary>
public enum LeaseStanding
{
    /// <summary>Renewed within the last ttl.</summary>
    Held,
    /// <summary>The store could not be reached for a ttl or longer: another agent may have taken over. Renewal goes on and may find the lease intact.</summary>
    Unconfirmed,
    /// <summary>Another agent has the lease, or it was removed. Final.</summary>
    Lost,
    /// <summary>Given back by <see cref="Lease.ReleaseAsync"/>. Final.</summary>
    Released,
}
