using System.Runtime.InteropServices;
using System.Threading.Channels;
using Floe.Agent.Control;
using Floe.Agent.Notices;
using Floe.Agent.Snapshots;
using Floe.Agent.Tasks;
using Floe.Agent.Trace;
using Floe.Criu.Errors;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>
/// The life of a running task on this machine, from the moment that it runs until it ended, was taken away, or was lost.
///
/// One loop takes one event at a time: the task's end, a reclaim notice, a request, a signal, a lost lease. So a snapshot is never
/// taken twice at once, and what happens while one is taken waits its turn. A failed snapshot leaves the task running, always.
/// </summary>
internal sealed partial class Supervisor : IAsyncDisposable
{
    // A try costs nothing but time that is lost anyway; with less than this even a small snapshot cannot be committed.
    private static readonly TimeSpan s_leastTimeForSnapshot = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_pauseBetweenTries = TimeSpan.FromMilliseconds(250);

    // Without a deadline (a request, SIGTERM) a snapshot is tried this often.
    private const int MaxTriesWithoutDeadline = 3;

    private readonly RunOptions _options;
    private readonly RunningTask _task;
    private readonly SnapshotTaker _snapshots;
    private readonly TaskTrace _trace;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<SupervisorEvent> _events = Channel.CreateUnbounded<SupervisorEvent>(new UnboundedChannelOptions { SingleReader = true });
    private readonly RunSignals _signals;
    private readonly CancellationTokenSource _stop = new();
    private readonly ReclaimWatch _reclaim;
    private bool _hasGivenUp;

    /// <param name="isRestored">The task has just been restored, and was not started here.</param>
    public Supervisor(
        RunOptions options, RunningTask task, bool isRestored, SnapshotTaker snapshots, RunSignals signals, TaskTrace trace, TimeProvider time, ILogger logger)
    {
        _options = options;
        _task = task;
        _snapshots = snapshots;
        _signals = signals;
        _trace = trace;
        _time = time;
        _logger = logger;
        _reclaim = new ReclaimWatch(options.ReturnAfter, Noticed, time, _stop.Token);
        if (isRestored && options.OnRestoreFailure != RestoreFailurePolicy.Restart)
        {
            _restoredAt = time.GetTimestamp();
            _ = ReportTrialOverAsync(s_restoreSuspicion);
        }

        _ = ReportEndAsync();
        _ = ReportRefusalAsync();
        signals.HandTo(Pass);
    }

    /// <summary>The deadline of the reclaim notice that is pending; null when none is, or when the machine has outlived it.</summary>
    public DateTimeOffset? ReclaimDeadline => _reclaim.Deadline;

    public int SnapshotsCommitted { get; private set; }

    public bool IsSnapshotting { get; private set; }

    /// <summary>The last snapshot that was committed here; null before the first.</summary>
    public SnapshotReport? LastSnapshot { get; private set; }

    /// <summary>A request from the control socket; completes when committed, or fails with the reason.</summary>
    public Task<SnapshotReport> RequestSnapshotAsync(bool leaveRunning)
    {
        var answer = new TaskCompletionSource<SnapshotReport>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_events.Writer.TryWrite(new SupervisorEvent.Requested(leaveRunning, answer)))
        {
            answer.SetException(new FloeException(ExitCodes.SnapshotFailed, "the task has ended"));
        }

        return answer.Task;
    }

    public void LeaseLost(string reason) => _events.Writer.TryWrite(new SupervisorEvent.LeaseLost(reason));

    /// <summary>Passes the notices of a source on until <see cref="DisposeAsync"/>.</summary>
    public void Watch(INoticeSource source) => _reclaim.Watch(source);

    /// <summary>Runs until the task is gone from this machine; returns how.</summary>
    public async Task<TaskOutcome> RunAsync()
    {
        try
        {
            await foreach (var happened in _events.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                if (await HandleAsync(happened).ConfigureAwait(false) is { } outcome)
                {
                    return outcome;
                }
            }

            throw new InvalidOperationException("the supervisor's events ended before the task");
        }
        finally
        {
            _events.Writer.TryComplete();
            while (_events.Reader.TryRead(out var left))
            {
                (left as SupervisorEvent.Requested)?.Answer.TrySetException(new FloeException(ExitCodes.SnapshotFailed, "the task has ended"));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _signals.Ignore();
        _stop.Dispose();
    }

    private async Task<TaskOutcome?> HandleAsync(SupervisorEvent happened)
    {
        switch (happened)
        {
            case SupervisorEvent.TaskEnded ended:
                return await EndAsync(ended).ConfigureAwait(false);

            case SupervisorEvent.TrialOver:
                LetGoUnlessOnTrial();
                return null;

            case SupervisorEvent.Reclaim late when _isEnding:
                LogNoticeIgnored(late.Notice.Source);
                return null;

            case SupervisorEvent.Reclaim reclaim:
                _hasGivenUp = false;
                LogNotice(reclaim.Notice.Source, reclaim.Notice.Action.ToString().ToLowerInvariant(), reclaim.Notice.Remaining(_time.GetUtcNow()).TotalSeconds);
                if (await TakeAwayAsync(reclaim.Notice.Deadline).ConfigureAwait(false) is { } taken)
                {
                    return new TaskOutcome.TakenAway(taken, reclaim.Notice.Deadline);
                }

                _hasGivenUp = true;
                return null;

            case SupervisorEvent.Requested request when _isEnding:
                request.Answer.TrySetException(new FloeException(ExitCodes.SnapshotFailed, "the task was told to end, since no snapshot could be taken"));
                return null;

            case SupervisorEvent.Requested request:
                return await AnswerAsync(request).ConfigureAwait(false);

            case SupervisorEvent.Terminated when _isEnding:
                _task.Root.Signal(Interop.SIGTERM);
                return null;

            case SupervisorEvent.Terminated when await _reclaim.IsPendingAsync().ConfigureAwait(false):
                TerminateReclaimed();
                return null;

            case SupervisorEvent.Terminated when _options.OnTerm == TermPolicy.Snapshot:
                if (await TakeAwayAsync(null).ConfigureAwait(false) is { } saved)
                {
                    return new TaskOutcome.TakenAway(saved, null);
                }

                TellToEnd();
                return null;

            case SupervisorEvent.Terminated:
                _task.Root.Signal(Interop.SIGTERM);
                return null;

            case SupervisorEvent.LeaseLost lost:
                LogLeaseLost(lost.Reason);
                await (_snapshots.Mount?.HandOverAsync() ?? Task.CompletedTask).ConfigureAwait(false);
                _task.Root.Signal(Interop.SIGKILL);
                await _task.Root.Exited.ConfigureAwait(false);
                return new TaskOutcome.LeaseLost(lost.Reason);

            default:
                throw new InvalidOperationException($"unknown event {happened}");
        }
    }

    private async Task<TaskOutcome?> AnswerAsync(SupervisorEvent.Requested request)
    {
        try
        {
            var report = await TakeOnceAsync(request.LeaveRunning, TraceTrigger.Request, null).ConfigureAwait(false);
            request.Answer.SetResult(report);
            return report.TaskRuns ? null : new TaskOutcome.TakenAway(report, ReclaimDeadline);
        }
        catch (SnapshotFailedException e)
        {
            LogSnapshotFailed(e.Message);
            request.Answer.SetException(new FloeException(ExitCodes.SnapshotFailed, $"{e.Message}; the task runs on"));
            return null;
        }
    }

    /// <summary>Tries to commit a snapshot and end the task here, again and again while there is time. Null when it could not be done.</summary>
    private async Task<SnapshotReport?> TakeAwayAsync(DateTimeOffset? deadline)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await TakeOnceAsync(false, deadline is null ? TraceTrigger.Term : TraceTrigger.Notice, deadline).ConfigureAwait(false);
            }
            catch (SnapshotFailedException e)
            {
                LogSnapshotFailed(e.Message);
                var another = !_task.Root.HasExited && !e.IsPermanent
                    && (deadline is { } end ? end - _time.GetUtcNow() > s_leastTimeForSnapshot + s_pauseBetweenTries : tries < MaxTriesWithoutDeadline);
                if (!another)
                {
                    LogGivenUp();
                    return null;
                }

                await Task.Delay(s_pauseBetweenTries, _time).ConfigureAwait(false);
            }
        }
    }

    private async Task<SnapshotReport> TakeOnceAsync(bool leaveRunning, TraceTrigger trigger, DateTimeOffset? deadline)
    {
        var (started, startedAt) = (_time.GetTimestamp(), _time.GetUtcNow());
        IsSnapshotting = true;
        _snapshots.Mount?.HoldBack();
        try
        {
            var report = await _snapshots.TakeAsync(_task, leaveRunning, deadline, _stop.Token).ConfigureAwait(false);
            SnapshotsCommitted++;
            LastSnapshot = report;
            _trace.Update(a => a.Tried(TraceEntries.Committed(report, trigger, startedAt, deadline)));
            _failedAt = null;
            if (leaveRunning)
            {
                LetGoUnlessOnTrial();
            }

            return report;
        }
        catch (SnapshotFailedException e)
        {
            _trace.Update(a => a.Tried(TraceEntries.Failed(e.Message, trigger, startedAt, deadline, _time.GetElapsedTime(started))));
            _failedAt = _time.GetTimestamp();

            // Of the first one the answer may be lost, and what it rests on is held back from now on.
            _snapshots.Mount?.HoldBack();
            _hasCriuDied = e.InnerException is CriuException { HasDied: true };
            _ = ReportTrialOverAsync(s_suspicion);
            throw;
        }
        finally
        {
            IsSnapshotting = false;
        }
    }

    private async Task ReportEndAsync()
    {
        var status = await _task.Root.Exited.ConfigureAwait(false);
        _events.Writer.TryWrite(new SupervisorEvent.TaskEnded(status, _time.GetTimestamp()));
    }

    private async Task ReportRefusalAsync()
    {
        if (await _task.Output.RefusedAsync().ConfigureAwait(false) is { } refusal)
        {
            LogOutputRefused(refusal.Message);
        }
    }

    private void Noticed(ReclaimNotice notice)
    {
        _trace.Update(a => a.Noticed(notice));
        _events.Writer.TryWrite(new SupervisorEvent.Reclaim(notice));
    }

    private void Pass(PosixSignal signal)
    {
        if (signal == PosixSignal.SIGTERM)
        {
            _events.Writer.TryWrite(new SupervisorEvent.Terminated());
        }
        else
        {
            _task.Root.Signal(Namespaces.PassedSignals.Number(signal));
        }
    }

    [LoggerMessage(EventId = 4300, Level = LogLevel.Warning, Message = "{Source} takes this machine away ({Action}) in {Seconds:0} s: snapshotting")]
    private partial void LogNotice(string source, string action, double seconds);

    [LoggerMessage(EventId = 4303, Level = LogLevel.Error, Message = "The lease of this task is lost ({Reason}): another machine may run it, so it is stopped here")]
    private partial void LogLeaseLost(string reason);

    [LoggerMessage(EventId = 4304, Level = LogLevel.Error, Message = "Snapshot failed, the task runs on: {Reason}")]
    private partial void LogSnapshotFailed(string reason);

    [LoggerMessage(EventId = 4305, Level = LogLevel.Error, Message = "No time or no way for another snapshot; the task runs on, and the last good snapshot stays")]
    private partial void LogGivenUp();

    [LoggerMessage(EventId = 4308, Level = LogLevel.Error, Message = "The task's output takes no more ({Reason}); what is lost of it is in no snapshot taken from now on, so none is taken: run again, the task goes on from the one before and writes it once more")]
    private partial void LogOutputRefused(string reason);
}
