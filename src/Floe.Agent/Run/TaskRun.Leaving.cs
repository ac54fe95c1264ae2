using Floe.Agent.Snapshots;
using Floe.Agent.Stdio;
using Floe.Agent.Tasks;
using Floe.Agent.Trace;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>What a task leaves in the store, whatever became of it.</summary>
public sealed partial class TaskRun
{
    /// <summary>Whether all that the task wrote to its mount is in the bucket; null: another machine has the task, and its result is that one's.</summary>
    private static async Task<bool?> UploadAsync(SnapshotContext context, CancellationToken cancellationToken)
    {
        // Where the task was removed from the store nobody else has it: what it has done is all that there is of it.
        var lost = context.Lease.TakenOver;
        var isUploaded = true;
        try
        {
            // It may take hours, in which nobody else looks at the lease.
            isUploaded = context.Mount is not { } mount || await mount.FinishAsync(lost, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
        }

        return lost.IsCancellationRequested ? null : isUploaded;
    }

    private async Task<int> FinishAsync(SnapshotContext context, TaskOutcome outcome, TaskOutput output, CancellationToken cancellationToken)
    {
        var isUploaded = outcome is TaskOutcome.Ended ? await UploadAsync(context, cancellationToken).ConfigureAwait(false) : true;
        if (isUploaded is null)
        {
            LogLostAtTheEnd();
            outcome = new TaskOutcome.LeaseLost("another machine took it over");
        }

        switch (outcome)
        {
            case TaskOutcome.Ended ended when isUploaded is false:
                // The command has done its part, but its results are not where they belong: its snapshots stay.
                LogNotUploaded(ended.Status.ShellCode);
                await RecordAsync(context, TraceOutcome.Exited, ExitCodes.StoreError).ConfigureAwait(false);
                await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(LeaseState.Released, limit)).ConfigureAwait(false);
                return ExitCodes.StoreError;

            case TaskOutcome.Ended ended when output.Refusal is { } refusal:
                // As above: run again, it goes on from its last snapshot and writes what came after it once more.
                LogOutputLost(ended.Status.ShellCode, refusal.Message);
                var code = ended.Status.ShellCode == 0 ? ExitCodes.StoreError : ended.Status.ShellCode;
                await RecordAsync(context, TraceOutcome.Exited, code).ConfigureAwait(false);
                await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(LeaseState.Released, limit)).ConfigureAwait(false);
                return code;

            case TaskOutcome.Ended ended:
                await RecordAsync(context, TraceOutcome.Exited, ended.Status.ShellCode).ConfigureAwait(false);
                await LeaveEndedAsync(context).ConfigureAwait(false);
                return ended.Status.ShellCode;

            case TaskOutcome.TakenAway:
                await (context.Mount?.HandOverAsync() ?? Task.CompletedTask).ConfigureAwait(false);
                await LeftOvers.KillAsync(_time).ConfigureAwait(false);
                await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(LeaseState.HandedOver, limit)).ConfigureAwait(false);
                await RecordAsync(context, TraceOutcome.Snapshotted, ExitCodes.Snapshotted).ConfigureAwait(false);
                return ExitCodes.Snapshotted;

            case TaskOutcome.SnapshotFailed:
                await (context.Mount?.LeaveAsync() ?? Task.CompletedTask).ConfigureAwait(false);
                await RecordAsync(context, TraceOutcome.SnapshotFailed, ExitCodes.SnapshotFailed).ConfigureAwait(false);
                await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(LeaseState.Released, limit)).ConfigureAwait(false);
                return ExitCodes.SnapshotFailed;

            case TaskOutcome.RestoreFailed:
                await (context.Mount?.LeaveAsync() ?? Task.CompletedTask).ConfigureAwait(false);
                await RecordAsync(context, TraceOutcome.Failed, ExitCodes.RestoreFailed).ConfigureAwait(false);
                await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(LeaseState.Released, limit)).ConfigureAwait(false);
                return ExitCodes.RestoreFailed;

            case TaskOutcome.LeaseLost:
                await LeftOvers.KillAsync(_time).ConfigureAwait(false);
                await RecordAsync(context, TraceOutcome.LeaseLost, ExitCodes.StoreError).ConfigureAwait(false);
                return ExitCodes.StoreError;

            default:
                throw new InvalidOperationException($"unknown outcome {outcome}");
        }
    }

    private Task RecordAsync(SnapshotContext context, TraceOutcome outcome, int exitCode) =>
        context.Trace.FinishAsync(a => a.Ended(outcome, exitCode, _time.GetUtcNow()), s_tracePatience);

    /// <summary>The task has its result: its snapshots are of no use any more. A store that fails now does not change the result.</summary>
    private async Task LeaveEndedAsync(SnapshotContext context)
    {
        if (_options.Keep)
        {
            await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(LeaseState.Released, limit)).ConfigureAwait(false);
        }
        else
        {
            await TryAsync(context.Store, async limit =>
            {
                await context.Store.DeleteTaskAsync(context.Lease, limit).ConfigureAwait(false);
                await (context.Mount?.RemoveLeftAsync() ?? Task.CompletedTask).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
    }

    /// <summary>For a store that has stopped answering it is not waited for ever.</summary>
    private async Task TryAsync(SnapshotStore store, Func<CancellationToken, Task> leave)
    {
        using var patience = new StorePatience(() => store.FailingFor, _time);
        try
        {
            await leave(patience.Expired).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // How the task ended is settled by now, whatever becomes of this.
            LogLeaveFailed(e.Message);
        }
    }

    [LoggerMessage(EventId = 4605, Level = LogLevel.Error, Message = "The command ended with {Status}, but not all that it wrote is in the bucket")]
    private partial void LogNotUploaded(int status);

    [LoggerMessage(EventId = 4615, Level = LogLevel.Error, Message = "The lease of this task was lost before its result was complete: another machine may run it, and what is not in the bucket yet is left")]
    private partial void LogLostAtTheEnd();

    [LoggerMessage(EventId = 4611, Level = LogLevel.Error, Message = "The command ended with {Status}, but not all that it wrote to its output could be passed on: {Reason}")]
    private partial void LogOutputLost(int status, string reason);

    [LoggerMessage(EventId = 4603, Level = LogLevel.Warning, Message = "The store could not be told that the task is done here: {Reason}")]
    private partial void LogLeaveFailed(string reason);
}
