namespace Floe.S3;

/// <summary>Gives an attempt up when no byte has moved for a while; a large transfer may take as long as it likes.</summary>
internal sealed class ProgressWatch : IDisposable
{
    private readonly CancellationTokenSource _timer;
    private readonly CancellationTokenSource _linked;
    private readonly TimeSpan _limit;

    public ProgressWatch(TimeSpan limit, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        _limit = limit;
        _timer = new CancellationTokenSource(limit, timeProvider);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _timer.Token);
    }

    /// <summary>Fires for the caller's cancellation and for lack of progress.</summary>
    public CancellationToken Token => _linked.Token;

    public bool HasExpired => _timer.IsCancellationRequested;

    public void Touch() => _timer.CancelAfter(_limit);

    public void Dispose()
    {
        _linked.Dispose();
        _timer.Dispose();
    }
}
