using System.Text.Json.Serialization;

namespace Floe.Operations.Reporting;

/// <summary>What the reclaims of some tasks cost and saved. Made by <see cref="ReportBuilder"/>; also what `floe report --json` prints.</summary>
public sealed record Report
{
    public required string Title { get; init; }

    public required DateTimeOffset GeneratedAt { get; init; }

    public required IReadOnlyList<string> Sources { get; init; }

    /// <summary>Where the prices come from; null when nothing is known of them.</summary>
    public string? Prices { get; init; }

    public required ReportTotals Totals { get; init; }

    /// <summary>In the order of their start.</summary>
    public required IReadOnlyList<TaskHistory> Tasks { get; init; }

    /// <summary>Traces that could not be read, and why.</summary>
    public required IReadOnlyList<SkippedTrace> Skipped { get; init; }
}

/// <param name="Where">Its path or URL.</param>
/// <param name="Problem">One line for people.</param>
public sealed record SkippedTrace(string Where, string Problem);

/// <summary>Sums over all tasks. Seconds, bytes, and the currency of the prices: US dollars from EC2's history, else whatever the user's --price is in.</summary>
public sealed record ReportTotals
{
    public int Tasks { get; init; }

    public int Attempts { get; init; }

    /// <summary>Attempts whose machine was taken away.</summary>
    public int Reclaims { get; init; }

    /// <summary>Of those, how many the task came back from.</summary>
    public int Survived { get; init; }

    /// <summary>Of those, how many are committed and wait for their next machine.</summary>
    public int Pending { get; init; }

    /// <summary>Of those, how many cost the work done until then.</summary>
    public int Lost { get; init; }

    public int Snapshots { get; init; }

    public int FailedSnapshots { get; init; }

    /// <summary>Time that tasks ran, over all attempts.</summary>
    public double ComputeSeconds { get; init; }

    /// <summary>Work that restores carried over, which would have been done again.</summary>
    public double SavedSeconds { get; init; }

    /// <summary>Price of the machines' time, in the prices' currency; null without prices.</summary>
    public double? Cost { get; init; }

    /// <summary>Price of the work carried over, in the prices' currency; null without prices.</summary>
    public double? Saved { get; init; }

    /// <summary>Tasks with work carried over on machines whose price is not known: they are not in <see cref="Saved"/>.</summary>
    public int Unpriced { get; init; }

    public long RawBytes { get; init; }

    public long ZeroBytes { get; init; }

    public long DedupBytes { get; init; }

    public long NewBytes { get; init; }

    public long StoredBytes { get; init; }

    /// <summary>Of committed snapshots under a notice: from the notice to the commit; null when there was none.</summary>
    public double? MedianCommitSeconds { get; init; }

    public double? MaxCommitSeconds { get; init; }

    /// <summary>The least time left before the deadline at a commit; negative when one came after it.</summary>
    public double? LeastSecondsLeft { get; init; }
}

[JsonConverter(typeof(JsonStringEnumConverter<TaskState>))]
public enum TaskState
{
    /// <summary>The last attempt has not ended, or its machine died silently.</summary>
    Running,
    /// <summary>Snapshotted; no machine has taken it up yet.</summary>
    Waiting,
    /// <summary>Ended with status 0.</summary>
    Succeeded,
    /// <summary>Ended with another status, or could not go on.</summary>
    Failed,
}

/// <summary>One task over all its machines. Times in the attempts are seconds after <see cref="StartedAt"/>; money as in <see cref="ReportTotals"/>.</summary>
public sealed record TaskHistory
{
    public required string Key { get; init; }

    public required string Command { get; init; }

    public string WorkingDirectory { get; init; } = "";

    public required TaskState State { get; init; }

    public int? ExitCode { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>From the first start to the last sign of life.</summary>
    public double WallSeconds { get; init; }

    /// <summary>Time that the task ran, over all attempts.</summary>
    public double ComputeSeconds { get; init; }

    public double SavedSeconds { get; init; }

    public double? Cost { get; init; }

    public double? Saved { get; init; }

    public int Reclaims { get; init; }

    public int Survived { get; init; }

    public int Pending { get; init; }

    public int Lost { get; init; }

    public long RawBytes { get; init; }

    public long DedupBytes { get; init; }

    public long StoredBytes { get; init; }

    /// <summary>The longest way from a notice to its commit; null when there was none.</summary>
    public double? CommitSeconds { get; init; }

    /// <summary>The least time left at a commit under a notice.</summary>
    public double? SecondsLeft { get; init; }

    public required IReadOnlyList<AttemptHistory> Attempts { get; init; }
}

/// <summary>One machine's time with the task, in seconds after the task's start.</summary>
public sealed record AttemptHistory
{
    public required string Host { get; init; }

    public string? InstanceType { get; init; }

    public string? Zone { get; init; }

    public required string Outcome { get; init; }

    public int? ExitCode { get; init; }

    public double From { get; init; }

    /// <summary>When the task itself ran; null when it never did.</summary>
    public double? Running { get; init; }

    public double To { get; init; }

    /// <summary>What became of the reclaim of this machine: survived, pending or lost; null when there was none.</summary>
    public string? Reclaim { get; init; }

    public IReadOnlyList<NoticeHistory> Notices { get; init; } = [];

    public IReadOnlyList<RestoreHistory> Restores { get; init; } = [];

    public IReadOnlyList<SnapshotHistory> Snapshots { get; init; } = [];
}

/// <param name="At">Seconds after the task's start, as all times here.</param>
/// <param name="Deadline">When the machine was to go.</param>
public sealed record NoticeHistory(string Source, double At, double Deadline);

/// <param name="At">Seconds after the task's start.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Bytes">Content of the snapshot.</param>
/// <param name="Error">Why it failed; null when the task went on from it.</param>
public sealed record RestoreHistory(long Seq, double At, double Seconds, long Bytes, string? Error);

/// <summary>One snapshot that was tried: seconds, times after the task's start, bytes as in the trace.</summary>
public sealed record SnapshotHistory
{
    public long Seq { get; init; }

    public required string Trigger { get; init; }

    public double At { get; init; }

    public double Seconds { get; init; }

    /// <summary>How long the task stood still, in seconds.</summary>
    public double Frozen { get; init; }

    /// <summary>From the notice to the commit; null without one.</summary>
    public double? AfterNotice { get; init; }

    public double? SecondsLeft { get; init; }

    public long RawBytes { get; init; }

    public long ZeroBytes { get; init; }

    public long DedupBytes { get; init; }

    public long StoredBytes { get; init; }

    public IReadOnlyList<PhaseHistory> Phases { get; init; } = [];

    public string? Error { get; init; }
}

/// <param name="Name">freeze, capture, upload, commit; upload overlaps capture.</param>
/// <param name="At">Seconds after the snapshot's start.</param>
/// <param name="Bytes">Read in capture, sent in upload; 0 in the others.</param>
public sealed record PhaseHistory(string Name, double At, double Seconds, long Bytes);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Report))]
public sealed partial class ReportJson : JsonSerializerContext;
