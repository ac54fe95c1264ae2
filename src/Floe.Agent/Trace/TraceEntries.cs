using System.Text;
using Floe.Agent.Control;
using Floe.Agent.Notices;
using Floe.Agent.Run;
using Floe.Agent.Scheduler;
using Floe.Aws;
using Floe.Store;

namespace Floe.Agent.Trace;

/// <summary>What happens in the agent, as entries of its trace.</summary>
internal static class TraceEntries
{
    public static TraceDocument Header(RunOptions options) => new()
    {
        Key = options.Key,
        Store = options.Store.ToString(),
        Command = [.. options.Command.Take(TraceLimits.CommandWords).Select(word => TraceLimits.Text(Encoding.UTF8.GetString(word)))],
        WorkingDirectory = TraceLimits.Text(options.WorkingDirectory),
    };

    public static TraceAttempt Attempt(Lease lease, SchedulerIdentity? job, DateTimeOffset now) => new()
    {
        Id = Guid.NewGuid().ToString("n"),
        Generation = lease.Generation,
        Host = Environment.MachineName,
        Job = job is null ? null : new TraceJob(job.Kind.ToString(), job.JobId, job.Attempt, job.Queue),
        StartedAt = now,
    };

    public static TraceAttempt OnMachine(this TraceAttempt attempt, InstanceDescription machine) =>
        attempt with { Machine = new TraceMachine(machine.InstanceId, machine.InstanceType, machine.LifeCycle, machine.Region, machine.AvailabilityZone) };

    public static TraceAttempt Noticed(this TraceAttempt attempt, ReclaimNotice notice) =>
        attempt with { Notices = [.. attempt.Notices, new TraceNotice(notice.Source, notice.Action.ToString().ToLowerInvariant(), notice.Received, notice.Deadline)] };

    public static TraceAttempt Restored(this TraceAttempt attempt, TraceRestore restore) => attempt with { Restores = [.. attempt.Restores, restore] };

    public static TraceAttempt Tried(this TraceAttempt attempt, TraceSnapshot snapshot) => attempt with { Snapshots = [.. attempt.Snapshots, snapshot] };

    public static TraceAttempt Ended(this TraceAttempt attempt, TraceOutcome outcome, int? exitCode, DateTimeOffset now) =>
        attempt with { Outcome = outcome, ExitCode = exitCode, EndedAt = now };

    public static TraceSnapshot Committed(SnapshotReport report, TraceTrigger trigger, DateTimeOffset startedAt, DateTimeOffset? deadline) => new()
    {
        Seq = report.Sequence,
        Trigger = trigger,
        StartedAt = startedAt,
        Deadline = deadline,
        TotalMillis = report.TotalMillis,
        FrozenMillis = report.FrozenMillis,
        TaskRuns = report.TaskRuns,
        Processes = report.Processes,
        RawBytes = report.ReadBytes,
        ZeroBytes = report.ZeroBytes,
        DedupBytes = report.DedupBytes,
        NewBytes = report.NewBytes,
        StoredBytes = report.SentBytes,
        Phases = Phases(report),
    };

    public static TraceSnapshot Failed(string error, TraceTrigger trigger, DateTimeOffset startedAt, DateTimeOffset? deadline, TimeSpan took) => new()
    {
        Trigger = trigger,
        StartedAt = startedAt,
        Deadline = deadline,
        TotalMillis = (long)took.TotalMilliseconds,
        TaskRuns = true,
        Error = TraceLimits.Text(error),
    };

    /// <summary>The upload runs beside the capture; what of it was left then is part of the commit's time.</summary>
    private static IReadOnlyList<TracePhase> Phases(SnapshotReport report)
    {
        if (report.Timings is not { } timings)
        {
            return [];
        }

        var captured = timings.DumpMillis + timings.CaptureMillis;
        return
        [
            new TracePhase("freeze", 0, timings.DumpMillis, 0),
            new TracePhase("capture", timings.DumpMillis, timings.CaptureMillis, report.ReadBytes),
            new TracePhase("upload", Math.Max(0, Math.Min(timings.DumpMillis, captured + timings.CommitMillis - timings.UploadMillis)), timings.UploadMillis, report.SentBytes),
            new TracePhase("commit", captured, timings.CommitMillis, 0),
        ];
    }
}
