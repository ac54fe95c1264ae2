using Floe.Agent.Tasks;
using Floe.Linux;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>How the task's end counts, and what is kept for the case that it must go back to its last snapshot.</summary>
internal sealed partial class Supervisor
{
    private static readonly TimeSpan s_suspicion = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_restoreSuspicion = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_outputPatience = TimeSpan.FromSeconds(10);

    // A timer may come a little early.
    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(0.1);

    // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: what a program does not end itself by.
    private static readonly int[] s_crashes = [4, 5, 6, 7, 8, 11, 31];

    // The highest code of a shell for a death by a signal. What is above is a program's own, such as the 255 of ssh.
    private const int LastSignalCode = 128 + 64;

    // Null also where nobody would run the snapshot again.
    private readonly long? _restoredAt;
    private long? _failedAt;
    private bool _hasCriuDied;

    // The task has been told to end after a snapshot at SIGTERM failed, and its own status no longer counts. That does not travel: so nor does the task any more.
    private bool _isEnding;

    /// <summary>
    /// ECS drains a machine with SIGTERM while it is being reclaimed. The snapshot is under way then, or to come. When it was given up, the task may as well
    /// save itself; but what it ends with is no result, and where only the machine's own end counts it must not end before.
    /// </summary>
    private void TerminateReclaimed()
    {
        if (_hasGivenUp && _options.After == AfterSnapshot.Exit)
        {
            TellToEnd();
        }
        else
        {
            LogTermIgnored();
        }
    }

    /// <summary>No snapshot could be taken. One that has ended by itself meanwhile, which may be why, ends as any other.</summary>
    private void TellToEnd()
    {
        if (_task.Root.Signal(Interop.SIGTERM))
        {
            _isEnding = true;
            LogTermAfterFailure();
        }
    }

    private async Task<TaskOutcome> EndAsync(SupervisorEvent.TaskEnded ended)
    {
        var outcome = Judge(ended);
        if (outcome is not TaskOutcome.Ended)
        {
            // Its end has closed its files, and a reader of its output may take as long as it likes.
            await (_snapshots.Mount?.LeaveAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        }

        if (await DrainOutputAsync().ConfigureAwait(false) is not { } lost)
        {
            return outcome;
        }

        // What it did is the other machine's to do again, on the objects that its snapshot knows.
        LogLeaseLost(lost);
        await (_snapshots.Mount?.HandOverAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        return new TaskOutcome.LeaseLost(lost);
    }

    private TaskOutcome Judge(SupervisorEvent.TaskEnded ended)
    {
        if (_isEnding)
        {
            return new TaskOutcome.SnapshotFailed();
        }

        if (DiedOfSnapshot(ended))
        {
            LogDiedOfSnapshot(ended.Status.ToString());
            return new TaskOutcome.SnapshotFailed();
        }

        if (DiedOfRestore(ended))
        {
            LogDiedOfRestore(ended.Status.ToString());
            return new TaskOutcome.RestoreFailed();
        }

        return new TaskOutcome.Ended(ended.Status);
    }

    /// <summary>
    /// A CRIU that is killed while its code is inside a process can take the process with it, and calls on the task's connections may fail. A task that dies
    /// of a signal right after a failed snapshot, or fails right after CRIU has died, has not ended by itself: its snapshots must stay. Where output was refused it is
    /// that of which it dies, and they stay too.
    /// </summary>
    private bool DiedOfSnapshot(SupervisorEvent.TaskEnded ended) =>
        (_hasCriuDied ? ended.Status.ShellCode > 0 : ended.Status.ShellCode is > 128 and <= LastSignalCode)
        && _task.Output.Refusal is null && IsWithin(s_suspicion, _failedAt, ended.At);

    /// <summary>
    /// What a CPU or a kernel that lacks something does to a program that was moved to it, soon after: an instruction that it does not know, or a wild
    /// one behind a wrong answer. Another machine may run the same snapshot to its end. Where a restore that fails is to begin again, nobody would run it: then
    /// the crash is the task's end, and whoever submits it again begins again.
    /// </summary>
    private bool DiedOfRestore(SupervisorEvent.TaskEnded ended) =>
        IsWithin(s_restoreSuspicion, _restoredAt, ended.At) && s_crashes.Contains(ended.Status.ShellCode - 128);

    private bool IsWithin(TimeSpan limit, long? since, long at) => since is { } began && _time.GetElapsedTime(began, at) < limit;

    /// <summary>
    /// What the task closes goes to the bucket again, unless its end in this moment would be laid to the restore or to a failed snapshot. One that has ended
    /// is judged first.
    /// </summary>
    private void LetGoUnlessOnTrial()
    {
        var now = _time.GetTimestamp();
        if (!_isEnding && !IsWithin(s_restoreSuspicion, _restoredAt, now) && !IsWithin(s_suspicion, _failedAt, now) && !_task.Root.HasExited)
        {
            _snapshots.Mount?.LetGo();
        }
    }

    private async Task ReportTrialOverAsync(TimeSpan trial)
    {
        await Task.Delay(trial + s_margin, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _events.Writer.TryWrite(new SupervisorEvent.TrialOver());
    }

    /// <summary>
    /// The result is whole only with all of its output, so a reader may take as long as it likes, as it may without us. SIGTERM
    /// ends the wait; so does a process that cannot be ended and keeps the pipes open, and the loss of the lease, whose reason this gives.
    /// </summary>
    private async Task<string?> DrainOutputAsync()
    {
        // What the command left behind dies with its container; so it does here, and the pipes end.
        var pipesEnd = await LeftOvers.KillAsync(_time).ConfigureAwait(false);
        var done = Task.WhenAny(_task.Output.Ended, pipesEnd ? Task.Delay(Timeout.Infinite, _stop.Token) : Task.Delay(s_outputPatience, _time, _stop.Token));
        string? lost = null;
        var isTerminated = false;
        while (lost is null)
        {
            if (_events.Reader.TryRead(out var happened))
            {
                (happened as SupervisorEvent.Requested)?.Answer.TrySetException(new FloeException(ExitCodes.SnapshotFailed, "the task has ended"));
                lost = (happened as SupervisorEvent.LeaseLost)?.Reason;
                isTerminated |= happened is SupervisorEvent.Terminated && ReclaimDeadline is null;
            }
            else if (isTerminated || done.IsCompleted)
            {
                break;
            }
            else
            {
                await Task.WhenAny(done, _events.Reader.WaitToReadAsync().AsTask()).ConfigureAwait(false);
            }
        }

        if (!_task.Output.Ended.IsCompleted)
        {
            LogOutputNotTaken();
        }

        return lost;
    }

    [LoggerMessage(EventId = 4301, Level = LogLevel.Information, Message = "SIGTERM during a reclaim is not passed on to the task")]
    private partial void LogTermIgnored();

    [LoggerMessage(EventId = 4310, Level = LogLevel.Warning, Message = "{Source} takes this machine away; the task has been told to end, and is not snapshotted in the middle of that")]
    private partial void LogNoticeIgnored(string source);

    [LoggerMessage(EventId = 4302, Level = LogLevel.Error, Message = "No snapshot could be taken: the task gets SIGTERM")]
    private partial void LogTermAfterFailure();

    [LoggerMessage(EventId = 4309, Level = LogLevel.Error,
        Message = "The task crashed ({Status}) soon after it was restored, as on a machine that lacks something it uses: its snapshots are kept. Run it again on another machine, or remove it (floe rm) to start from the beginning")]
    private partial void LogDiedOfRestore(string status);

    [LoggerMessage(EventId = 4307, Level = LogLevel.Error, Message = "The task ended ({Status}) right after a snapshot that failed, most likely of it: its earlier snapshots are kept, run it again")]
    private partial void LogDiedOfSnapshot(string status);

    [LoggerMessage(EventId = 4306, Level = LogLevel.Warning, Message = "Nobody takes the task's output; the rest of it is dropped")]
    private partial void LogOutputNotTaken();
}
