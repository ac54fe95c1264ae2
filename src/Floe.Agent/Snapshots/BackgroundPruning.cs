namespace Floe.Agent.Snapshots;

/// <summary>
/// Removes from the store, beside everything else, what only older snapshots needed. Of a large task, or at a store that is slow, that takes minutes, in
/// which a notice may come. Safe for concurrent use.
/// </summary>
/// <param name="prune">One round; it reports failures itself.</param>
internal sealed class BackgroundPruning(Func<CancellationToken, Task> prune) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private CancellationTokenSource? _round;
    private Task _rounds = Task.CompletedTask;
    private bool _isWanted;
    private bool _isOver;

    /// <summary>Has a round made soon: there is one at a time, and this one comes after that under way.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            _isWanted = !_isOver;
            if (_isWanted && _round is null)
            {
                _rounds = RunAsync(_round = new CancellationTokenSource());
            }
        }
    }

    /// <summary>Cuts short what is under way, without waiting for its end. What is left is for the next round.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _isWanted = false;
            _ = _round?.CancelAsync();
        }
    }

    /// <summary>Stops for good: nothing is removed any more when this returns.</summary>
    public async ValueTask DisposeAsync()
    {
        Task rounds;
        lock (_gate)
        {
            _isOver = true;
            rounds = _rounds;
        }

        Stop();
        await rounds.ConfigureAwait(false);
    }

    private async Task RunAsync(CancellationTokenSource round)
    {
        // The caller holds the gate.
        await Task.Yield();
        while (IsWanted())
        {
            await prune(round.Token).ConfigureAwait(false);
        }

        bool IsWanted()
        {
            lock (_gate)
            {
                if (_isWanted && round.IsCancellationRequested)
                {
                    round = _round = new CancellationTokenSource();
                }

                (var wanted, _isWanted) = (_isWanted, false);
                _round = wanted ? round : null;
                return wanted;
            }
        }
    }
}
