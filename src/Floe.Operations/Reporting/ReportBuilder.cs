using Floe.Agent.Trace;

namespace Floe.Operations.Reporting;

/// <summary>Traces in, report out; no input or output of its own.</summary>
public static class ReportBuilder
{
    public static Report Build(
        string title, IReadOnlyList<string> sources, IEnumerable<TraceDocument> traces, IReadOnlyList<SkippedTrace> skipped, PriceList prices, DateTimeOffset now)
    {
        var documents = traces.ToList();
        var tasks = documents.Select(t => TaskHistories.Of(t, prices)).OrderBy(t => t.StartedAt).ThenBy(t => t.Key, StringComparer.Ordinal).ToList();
        return new Report
        {
            Title = title,
            GeneratedAt = now,
            Sources = sources,
            Prices = prices.Origin,
            Totals = Totals(tasks, documents),
            Tasks = tasks,
            Skipped = skipped,
        };
    }

    private static ReportTotals Totals(List<TaskHistory> tasks, List<TraceDocument> documents)
    {
        var tried = documents.SelectMany(d => d.Attempts).SelectMany(a => a.Snapshots).ToList();
        var committed = tried.Where(s => s.Error is null).ToList();
        var afterNotice = tasks.SelectMany(t => t.Attempts).SelectMany(a => a.Snapshots).Select(s => s.AfterNotice).OfType<double>().Order().ToList();
        return new ReportTotals
        {
            Tasks = tasks.Count,
            Attempts = tasks.Sum(t => t.Attempts.Count),
            Reclaims = tasks.Sum(t => t.Reclaims),
            Survived = tasks.Sum(t => t.Survived),
            Pending = tasks.Sum(t => t.Pending),
            Lost = tasks.Sum(t => t.Lost),
            Snapshots = committed.Count,
            FailedSnapshots = tried.Count - committed.Count,
            ComputeSeconds = tasks.Sum(t => t.ComputeSeconds),
            SavedSeconds = tasks.Sum(t => t.SavedSeconds),
            Cost = Sum(tasks.Select(t => t.Cost)),
            Saved = Sum(tasks.Select(t => t.Saved)),
            Unpriced = tasks.Count(t => t.SavedSeconds > 0 && t.Saved is null),
            RawBytes = committed.Sum(s => s.RawBytes),
            ZeroBytes = committed.Sum(s => s.ZeroBytes),
            DedupBytes = committed.Sum(s => s.DedupBytes),
            NewBytes = committed.Sum(s => s.NewBytes),
            StoredBytes = committed.Sum(s => s.StoredBytes),
            MedianCommitSeconds = afterNotice.Count > 0 ? afterNotice[afterNotice.Count / 2] : null,
            MaxCommitSeconds = afterNotice.Count > 0 ? afterNotice[^1] : null,
            LeastSecondsLeft = tasks.Min(t => t.SecondsLeft),
        };
    }

    /// <summary>Null when there is nothing to add up, which is not the same as 0.</summary>
    private static double? Sum(IEnumerable<double?> amounts)
    {
        var known = amounts.OfType<double>().ToList();
        return known.Count > 0 ? known.Sum() : null;
    }
}
