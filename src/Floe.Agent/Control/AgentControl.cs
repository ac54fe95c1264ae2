using Floe.Agent.Preflight;
using Floe.Agent.Run;
using Floe.Agent.Snapshots;
using Floe.Agent.Tasks;

namespace Floe.Agent.Control;

/// <summary>What the control socket can ask of a running task.</summary>
internal sealed class AgentControl(
    RunOptions options, RunningTask task, Supervisor supervisor, SnapshotTaker snapshots, long restoredFrom, DateTimeOffset runningSince, TimeProvider time)
{
    private static readonly TimeSpan s_progressInterval = TimeSpan.FromMilliseconds(200);

    public async Task HandleAsync(ControlRequest request, Func<ControlReply, Task> reply, CancellationToken cancellationToken)
    {
        switch (request.Verb)
        {
            case "status":
                await reply(new ControlReply { Event = "done", Status = Status() }).ConfigureAwait(false);
                break;

            case "snapshot":
                var answer = supervisor.RequestSnapshotAsync(request.LeaveRunning);
                while (await Task.WhenAny(answer, Task.Delay(s_progressInterval, time, cancellationToken)).ConfigureAwait(false) != answer)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (snapshots.Progress is { } progress)
                    {
                        await reply(new ControlReply { Event = "progress", Progress = progress }).ConfigureAwait(false);
                    }
                }

                await reply(new ControlReply { Event = "done", Snapshot = await answer.ConfigureAwait(false) }).ConfigureAwait(false);
                break;

            default:
                throw new FloeException(ExitCodes.Usage, $"the agent does not know '{request.Verb}'; use the floe of the same version");
        }
    }

    private AgentStatus Status()
    {
        var tree = ProcessTree.Read("/proc", task.Root.Pid, CancellationToken.None);
        return new()
        {
            Key = options.Key,
            Store = options.Store.ToString(),
            State = supervisor.IsSnapshotting ? "snapshotting" : task.Root.HasExited ? "ended" : "running",
            TaskPid = task.Root.Pid,
            RestoredFrom = restoredFrom,
            Snapshots = supervisor.SnapshotsCommitted,
            ReclaimDeadline = supervisor.ReclaimDeadline,
            RunningSince = runningSince,
            Processes = tree.Count,
            ResidentBytes = tree.Sum(p => p.Stat.ResidentBytes),
            ProcessorMillis = tree.Sum(p => p.Stat.ProcessorMillis),
            Progress = snapshots.Progress,
            LastSnapshot = supervisor.LastSnapshot,
        };
    }
}
