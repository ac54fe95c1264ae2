using Floe.Agent.Trace;

namespace Floe.Operations.Reporting;

/// <summary>
/// Reads a trace as a history: which reclaims the task came back from, and how much work that carried over.
///
/// A restore carries over all the work that went into its snapshot, wherever it was done; that is what would have been done again.
/// An attempt that says nothing of its end lasted until the next one began, or until its own last entry.
/// </summary>
internal static class TaskHistories
{
    public static TaskHistory Of(TraceDocument trace, PriceList prices)
    {
        var attempts = trace.Attempts.OrderBy(a => a.StartedAt).ToList();
        var start = attempts.Count > 0 ? attempts[0].StartedAt : DateTimeOffset.UnixEpoch;
        var rows = new List<AttemptHistory>();
        var workAt = new Dictionary<long, double>();
        double compute = 0, saved = 0;
        double? cost = null, savedMoney = null;
        for (var i = 0; i < attempts.Count; i++)
        {
            var attempt = attempts[i];
            var end = End(attempt, i + 1 < attempts.Count ? attempts[i + 1].StartedAt : null);
            var resumed = attempt.Restores.FirstOrDefault(r => r.Error is null);
            var carried = resumed is null ? 0 : workAt.GetValueOrDefault(resumed.Seq);
            if (resumed is null)
            {
                // A clean start numbers its snapshots on, but the work in the earlier ones is gone.
                workAt.Clear();
            }

            var ran = attempt.RunningAt is { } running ? Math.Max(0, (end - running).TotalSeconds) : 0;
            foreach (var snapshot in attempt.Snapshots.Where(s => s.Error is null && attempt.RunningAt is not null))
            {
                workAt[snapshot.Seq] = carried + Math.Clamp((snapshot.StartedAt - attempt.RunningAt!.Value).TotalSeconds, 0, ran);
            }

            compute += ran;
            saved += carried;
            if (prices.PerHour(attempt.Machine, attempt.StartedAt) is { } price)
            {
                cost = (cost ?? 0) + ((end - attempt.StartedAt).TotalHours * price);
                savedMoney = (savedMoney ?? 0) + (carried / 3600 * price);
            }

            rows.Add(Row(attempt, start, end, Fate(attempts, i)));
        }

        var committed = attempts.SelectMany(a => a.Snapshots).Where(s => s.Error is null).ToList();
        var underNotice = rows.SelectMany(r => r.Snapshots).Where(s => s.AfterNotice is not null).ToList();
        var (state, exit) = StateOf(attempts);
        return new TaskHistory
        {
            Key = trace.Key,
            Command = string.Join(' ', trace.Command),
            WorkingDirectory = trace.WorkingDirectory,
            State = state,
            ExitCode = exit,
            StartedAt = start,
            WallSeconds = rows.Select(r => r.To).DefaultIfEmpty().Max(),
            ComputeSeconds = Round(compute),
            SavedSeconds = Round(saved),
            Cost = cost,
            Saved = savedMoney,
            Reclaims = rows.Count(r => r.Reclaim is not null),
            Survived = rows.Count(r => r.Reclaim == Survived),
            Pending = rows.Count(r => r.Reclaim == Pending),
            Lost = rows.Count(r => r.Reclaim == Lost),
            RawBytes = committed.Sum(s => s.RawBytes),
            DedupBytes = committed.Sum(s => s.DedupBytes),
            StoredBytes = committed.Sum(s => s.StoredBytes),
            CommitSeconds = underNotice.Max(s => s.AfterNotice),
            SecondsLeft = underNotice.Min(s => s.SecondsLeft),
            Attempts = rows,
        };
    }

    private const string Survived = "survived";
    private const string Pending = "pending";
    private const string Lost = "lost";

    /// <summary>A reclaim is a notice, or a SIGTERM that meant one.</summary>
    private static string? Fate(List<TraceAttempt> attempts, int index)
    {
        var attempt = attempts[index];
        var taken = attempt.Notices.Count > 0 || attempt.Snapshots.Any(s => s.Trigger == TraceTrigger.Term && !s.TaskRuns && s.Error is null);
        if (!taken || attempt.Outcome == TraceOutcome.Exited)
        {
            // A task that ended before the machine did lost nothing and needed nothing.
            return null;
        }

        var best = attempt.Snapshots.Where(s => s.Error is null && s.Trigger != TraceTrigger.Request).Select(s => s.Seq).DefaultIfEmpty().Max();
        var later = attempts.Skip(index + 1).ToList();
        if (best > 0 && later.Any(a => a.Restores.Any(r => r.Error is null && r.Seq >= best)))
        {
            return Survived;
        }

        return best > 0 && later.All(a => a.RunningAt is null) ? Pending : attempt.Outcome == TraceOutcome.Running && later.Count == 0 && best == 0 ? Pending : Lost;
    }

    private static DateTimeOffset End(TraceAttempt attempt, DateTimeOffset? next)
    {
        if (attempt.EndedAt is { } end)
        {
            return end < attempt.StartedAt ? attempt.StartedAt : end;
        }

        // The machine died without a word: no later than its notice said, or when the next one had the task.
        var known = attempt.Snapshots.Select(s => s.StartedAt.AddMilliseconds(s.TotalMillis))
            .Concat(attempt.Notices.Select(n => n.Deadline))
            .Concat(attempt.Restores.Select(r => r.StartedAt.AddMilliseconds(r.Millis)))
            .Append(attempt.RunningAt ?? attempt.StartedAt).Max();
        return next is { } n && n > attempt.StartedAt && (n < known || attempt.Notices.Count == 0) ? n : known;
    }

    private static (TaskState State, int? Exit) StateOf(List<TraceAttempt> attempts) => attempts.LastOrDefault() switch
    {
        null => (TaskState.Running, null),
        { Outcome: TraceOutcome.Exited } a => (a.ExitCode == 0 ? TaskState.Succeeded : TaskState.Failed, a.ExitCode),
        { Outcome: TraceOutcome.Snapshotted } => (TaskState.Waiting, null),
        { Outcome: TraceOutcome.Running } => (TaskState.Running, null),
        var a => (TaskState.Failed, a.ExitCode),
    };

    private static AttemptHistory Row(TraceAttempt attempt, DateTimeOffset start, DateTimeOffset end, string? fate)
    {
        return new AttemptHistory
        {
            Host = attempt.Host,
            InstanceType = attempt.Machine?.InstanceType,
            Zone = attempt.Machine?.AvailabilityZone,
            Outcome = attempt.Outcome.ToString(),
            ExitCode = attempt.ExitCode,
            From = After(attempt.StartedAt),
            Running = attempt.RunningAt is { } running ? After(running) : null,
            To = After(end),
            Reclaim = fate,
            Notices = [.. attempt.Notices.Select(n => new NoticeHistory(n.Source, After(n.ReceivedAt), After(n.Deadline)))],
            Restores = [.. attempt.Restores.Select(r => new RestoreHistory(r.Seq, After(r.StartedAt), r.Millis / 1000.0, r.Bytes, r.Error))],
            Snapshots = [.. attempt.Snapshots.Select(Snapshot)],
        };

        double After(DateTimeOffset time) => Round((time - start).TotalSeconds);

        SnapshotHistory Snapshot(TraceSnapshot snapshot)
        {
            var committedAt = snapshot.StartedAt.AddMilliseconds(snapshot.TotalMillis);
            var notice = attempt.Notices.LastOrDefault(n => n.ReceivedAt <= committedAt);
            var counts = snapshot.Error is null && snapshot.Trigger == TraceTrigger.Notice && notice is not null;
            return new SnapshotHistory
            {
                Seq = snapshot.Seq,
                Trigger = snapshot.Trigger.ToString().ToLowerInvariant(),
                At = After(snapshot.StartedAt),
                Seconds = snapshot.TotalMillis / 1000.0,
                Frozen = snapshot.FrozenMillis / 1000.0,
                AfterNotice = counts ? Round((committedAt - notice!.ReceivedAt).TotalSeconds) : null,
                SecondsLeft = counts && snapshot.Deadline is { } deadline ? Round((deadline - committedAt).TotalSeconds) : null,
                RawBytes = snapshot.RawBytes,
                ZeroBytes = snapshot.ZeroBytes,
                DedupBytes = snapshot.DedupBytes,
                StoredBytes = snapshot.StoredBytes,
                Phases = [.. snapshot.Phases.Select(p => new PhaseHistory(p.Name, p.StartMillis / 1000.0, p.Millis / 1000.0, p.Bytes))],
                Error = snapshot.Error,
            };
        }
    }

    private static double Round(double seconds) => Math.Round(seconds, 1);
}
