namespace Floe.Agent.Notices;

/// <summary>Something that knows when this machine is taken away.</summary>
public interface INoticeSource
{
    /// <summary>
    /// Each notice once, as it becomes known. Faults of the source are logged and waited out, never thrown: the task must not suffer from them.
    /// Ends by cancellation (as <see cref="OperationCanceledException"/>) or when the source can never give a notice (an empty sequence).
    /// </summary>
    IAsyncEnumerable<ReclaimNotice> WatchAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Has the watch look now instead of at its next turn; completes when whoever watches has what there was. Not when nobody watches, or when the
    /// source does not answer. A source that is told by itself has nothing to look for.
    /// </summary>
    Task AskNowAsync() => Task.CompletedTask;
}
