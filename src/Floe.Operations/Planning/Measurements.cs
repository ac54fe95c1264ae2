using Floe.Agent.Trace;

namespace Floe.Operations.Planning;

/// <summary>What snapshots of tasks that ran tell about the next: instead of assumptions.</summary>
/// <param name="MemoryGiB">The largest snapshot's content.</param>
/// <param name="Compressibility">Content for each byte stored.</param>
public sealed record Measurements(int Snapshots, double MemoryGiB, double Compressibility)
{
    private const double GiB = 1 << 30;

    /// <summary>Null when no snapshot was committed.</summary>
    public static Measurements? Of(IEnumerable<TraceDocument> traces)
    {
        var committed = traces.SelectMany(t => t.Attempts).SelectMany(a => a.Snapshots).Where(s => s.Error is null && s.RawBytes > 0).ToList();
        if (committed.Count == 0)
        {
            return null;
        }

        // The first snapshot of a task sends all: later ones hold what was known already against the little they send.
        var firsts = committed.Where(s => s.DedupBytes < s.RawBytes / 2 && s.StoredBytes > 0).ToList();
        var compressibility = firsts.Count > 0 ? firsts.Sum(s => (double)s.RawBytes) / firsts.Sum(s => (double)s.StoredBytes) : 1;
        return new Measurements(committed.Count, committed.Max(s => s.RawBytes) / GiB, Math.Max(1, compressibility));
    }
}
