using Microsoft.Extensions.Logging;

namespace Floe.Agent.Control;

/// <summary>
/// The control socket from before the task runs: a request that comes while the agent is still listing files or restoring waits
/// for the task instead of meeting nobody. Only how things stand is told at once.
/// </summary>
internal sealed class AgentControlPoint : IAsyncDisposable
{
    private readonly TaskCompletionSource<AgentControl> _control = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ControlServer _server;

    /// <param name="owner">Who may ask besides root; null: whoever the agent runs as.</param>
    public AgentControlPoint(string socketPath, AgentRecord record, uint? owner, ILogger logger)
    {
        _server = new ControlServer(
            socketPath,
            async (request, reply, cancellationToken) =>
            {
                if (request.Verb == "status" && !_control.Task.IsCompleted)
                {
                    var status = new AgentStatus { Key = record.Key, Store = record.Store, State = "starting", TaskPid = 0, RestoredFrom = 0, Snapshots = 0 };
                    await reply(new ControlReply { Event = "done", Status = status }).ConfigureAwait(false);
                    return;
                }

                var control = await _control.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
                await control.HandleAsync(request, reply, cancellationToken).ConfigureAwait(false);
            },
            logger,
            owner);
    }

    /// <summary>The task runs: requests are answered from here on.</summary>
    public void Open(AgentControl control) => _control.TrySetResult(control);

    /// <summary>No task will run: waiting requests are refused. Without effect after <see cref="Open"/>.</summary>
    public void Close()
    {
        if (_control.TrySetException(new FloeException(ExitCodes.SnapshotFailed, "the task did not start; the log of 'floe run' says why")))
        {
            _ = _control.Task.Exception;
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
