namespace Floe.Store;

/// <summary>A held lease, renewed in the background until released or disposed.</summary>
public sealed class Lease : IAsyncDisposable
{
    public TaskKey Task => throw new NotImplementedException();

    public long Generation => throw new NotImplementedException();

    /// <summary>The holder this lease was taken from; null when it was free.</summary>
    public LeaseInfo? TakenFrom => throw new NotImplementedException();

    public LeaseStanding Standing => throw new NotImplementedException();

    /// <summary>Cancelled for good when another agent has the lease. Not by an unreachable store: see <see cref="LeaseStanding.Unconfirmed"/>.</summary>
    public CancellationToken Lost => throw new NotImplementedException();

    /// <summary>Ends when <see cref="Standing"/> is no longer <paramref name="standing"/>, with the new one.</summary>
    public Task<LeaseStanding> WaitForChangeAsync(LeaseStanding standing, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Renews now; throws <see cref="LeaseLostException"/> when the lease is another's.</summary>
    public Task RenewAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Gives the lease back so that the next agent need not wait.</summary>
    public Task ReleaseAsync(LeaseState state, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Stops renewing. Without a release before, the next agent waits for the ttl.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
