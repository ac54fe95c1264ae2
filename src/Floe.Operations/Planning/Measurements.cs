using Floe.Agent.Trace;

namespace Floe.Operations.Planning;

/// <summary>What snapshots of tasks that ran tell about the next: instead of assumptions.</summary>
/// <param name="MemoryGiB">The largest snapshot's content.</param>
/// <param name="Compressibility">Content for each byte stored.</param>
/// <param name="DirtyMiBPerSecond">The fastest growth of new content between two snapshots of one attempt; null without two.</param>
public sealed record Measurements(int Snapshots, double MemoryGiB, double Compressibility, double? DirtyMiBPerSecond)
{
    private const double MiB = 1 << 20;

    /// <summary>Null when no snapshot was committed.</summary>
    public static Measurements? Of(IEnumerable<TraceDocument> traces)
    {
        var attempts = traces.SelectMany(t => t.Attempts).ToList();
        var committed = attempts.SelectMany(a => a.Snapshots).Where(s => s.Error is null && s.RawBytes > 0).ToList();
        if (committed.Count == 0)
        {
            return null;
        }

        // The first snapshot of a task sends all: later ones hold what was known already against the little they send.
        var firsts = committed.Where(s => s.DedupBytes < s.RawBytes / 2 && s.StoredBytes > 0).ToList();
        var compressibility = firsts.Count > 0 ? firsts.Sum(s => (double)s.RawBytes) / firsts.Sum(s => (double)s.StoredBytes) : 1;
        var dirty = attempts.SelectMany(a => a.Snapshots.Where(s => s.Error is null).OrderBy(s => s.StartedAt).Zip(a.Snapshots.Where(s => s.Error is null).OrderBy(s => s.StartedAt).Skip(1)))
            .Select(pair => (Bytes: pair.Second.NewBytes, Seconds: (pair.Second.StartedAt - pair.First.StartedAt).TotalSeconds))
            .Where(change => change.Seconds > 0).Select(change => change.Bytes / MiB / change.Seconds).ToList();
        return new Measurements(committed.Count, committed.Max(s => s.RawBytes) / MiB / 1024, Math.Max(1, compressibility), dirty.Count > 0 ? dirty.Max() : null);
    }
}
