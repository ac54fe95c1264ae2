namespace Floe.Agent.Notices;

/// <summary>The pause between two questions to a notice source, which somebody who must know at once can end.</summary>
internal sealed class PollPause(TimeProvider time)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _wake = New();
    private TaskCompletionSource? _next;
    private TaskCompletionSource? _asked;

    /// <summary>Completes when a question that begins after this call has been answered, and whoever watches has its notices.</summary>
    public Task AskNowAsync()
    {
        lock (_gate)
        {
            _next ??= New();
            _wake.TrySetResult();
            return _next.Task;
        }
    }

    /// <summary>To be called when the notices of the last answer have been handed over.</summary>
    public async Task WaitAsync(TimeSpan interval, CancellationToken cancellationToken)
    {
        Task wake;
        lock (_gate)
        {
            _asked?.TrySetResult();
            _asked = null;
            wake = _wake.Task;
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(Task.Delay(interval, time, over.Token), wake).ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            (_asked, _next) = (_next, null);
            _wake = New();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
