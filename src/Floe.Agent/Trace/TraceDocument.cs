using System.Text.Json.Serialization;

namespace Floe.Agent.Trace;

/// <summary>
/// The history of one task over all the machines it ran on, written by the agents for people and for `floe report`. Normative: docs/trace.md.
/// Times are UTC by the writing machine's clock, durations milliseconds, sizes bytes.
/// </summary>
public sealed record TraceDocument
{
    public const string KindName = "floe-trace";
    public const int CurrentVersion = 1;

    public string Kind { get; init => field = value ?? ""; } = KindName;

    public int FormatVersion { get; init; } = CurrentVersion;

    public string Key { get; init => field = value ?? ""; } = "";

    public string Store { get; init => field = value ?? ""; } = "";

    /// <summary>As started; what is no UTF-8 is replaced. Cut to <see cref="TraceLimits"/>.</summary>
    public IReadOnlyList<string> Command { get; init => field = value ?? []; } = [];

    public string WorkingDirectory { get; init => field = value ?? ""; } = "";

    /// <summary>Oldest first: one for each `floe run` that held the task's lease.</summary>
    public IReadOnlyList<TraceAttempt> Attempts { get; init => field = value ?? []; } = [];

    /// <summary>Older attempts that are no longer listed.</summary>
    public int AttemptsDropped { get; init; }
}

/// <summary>One agent's time with the task.</summary>
public sealed record TraceAttempt
{
    /// <summary>Unique in the document: an agent finds its own attempt by it.</summary>
    public string Id { get; init => field = value ?? ""; } = "";

    /// <summary>Of the lease.</summary>
    public long Generation { get; init; }

    public string Host { get; init => field = value ?? ""; } = "";

    public TraceMachine? Machine { get; init; }

    public TraceJob? Job { get; init; }

    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When the task itself ran here, restored or begun; null until then.</summary>
    public DateTimeOffset? RunningAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public TraceOutcome Outcome { get; init; }

    /// <summary>Of `floe run`.</summary>
    public int? ExitCode { get; init; }

    public IReadOnlyList<TraceNotice> Notices { get; init => field = value ?? []; } = [];

    public IReadOnlyList<TraceRestore> Restores { get; init => field = value ?? []; } = [];

    public IReadOnlyList<TraceSnapshot> Snapshots { get; init => field = value ?? []; } = [];

    /// <summary>Snapshots and notices that are no longer listed.</summary>
    public int EventsDropped { get; init; }
}

/// <summary>How an attempt ended. Running: not yet, or its machine died before it could say.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TraceOutcome>))]
public enum TraceOutcome
{
    Running,
    /// <summary>The task ended by itself; the exit code is its own, or 174 when what it wrote did not get where it belongs.</summary>
    Exited,
    /// <summary>Committed and ended here; it goes on elsewhere.</summary>
    Snapshotted,
    /// <summary>It had to end and could not be saved.</summary>
    SnapshotFailed,
    /// <summary>Another machine took the task.</summary>
    LeaseLost,
    /// <summary>The task was never started or restored here, or crashed as soon as it was restored.</summary>
    Failed,
}

/// <summary>What the metadata service says of the machine; a part that it does not know is null.</summary>
public sealed record TraceMachine(string? InstanceId, string? InstanceType, string? LifeCycle, string? Region, string? AvailabilityZone);

/// <param name="Scheduler">AwsBatch or Slurm.</param>
/// <param name="Attempt">1 for the first.</param>
/// <param name="Queue">Queue or partition; null when the scheduler does not tell.</param>
public sealed record TraceJob(string Scheduler, string Id, int Attempt, string? Queue);

/// <param name="Source">Who said so: "EC2 Spot", "Google Cloud", "Azure", "Notice file".</param>
/// <param name="Action">terminate, stop, hibernate or other.</param>
/// <param name="ReceivedAt">When Floe learned of it; UTC by the machine's clock.</param>
/// <param name="Deadline">When the machine goes, by the same clock; never before <paramref name="ReceivedAt"/>.</param>
public sealed record TraceNotice(string Source, string Action, DateTimeOffset ReceivedAt, DateTimeOffset Deadline);

/// <param name="Seq">Of the snapshot that was tried.</param>
/// <param name="Millis">How long it took until the task ran, or the restore had failed.</param>
/// <param name="Bytes">Content of the snapshot.</param>
/// <param name="Error">Why it could not be restored here; null when it was.</param>
public sealed record TraceRestore(long Seq, DateTimeOffset StartedAt, long Millis, long Bytes, string? Error);

/// <summary>One snapshot that was tried.</summary>
public sealed record TraceSnapshot
{
    /// <summary>0 when it was not committed.</summary>
    public long Seq { get; init; }

    public TraceTrigger Trigger { get; init; }

    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When the machine was to go; null when nothing pressed.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>From the start until it was committed, or had failed.</summary>
    public long TotalMillis { get; init; }

    /// <summary>How long the task stood still.</summary>
    public long FrozenMillis { get; init; }

    public bool TaskRuns { get; init; }

    public int Processes { get; init; }

    public long RawBytes { get; init; }

    public long ZeroBytes { get; init; }

    /// <summary>Part of the raw bytes that the store had already, or that the snapshot repeats.</summary>
    public long DedupBytes { get; init; }

    public long NewBytes { get; init; }

    /// <summary>What was put into the store, compressed.</summary>
    public long StoredBytes { get; init; }

    public IReadOnlyList<TracePhase> Phases { get; init => field = value ?? []; } = [];

    /// <summary>Why it failed; null when it was committed.</summary>
    public string? Error { get; init; }
}

[JsonConverter(typeof(JsonStringEnumConverter<TraceTrigger>))]
public enum TraceTrigger
{
    /// <summary>The machine is taken away.</summary>
    Notice,
    /// <summary>SIGTERM.</summary>
    Term,
    /// <summary>Somebody asked for it.</summary>
    Request,
}

/// <param name="Name">freeze, capture, upload, commit. Capture and upload overlap.</param>
/// <param name="StartMillis">After the snapshot's start.</param>
/// <param name="Bytes">Read in capture, sent in upload; 0 in the others.</param>
public sealed record TracePhase(string Name, long StartMillis, long Millis, long Bytes);

/// <summary>Bounds of a document, so that no task can grow it without end.</summary>
public static class TraceLimits
{
    public const int MaxBytes = 4 << 20;
    public const int Attempts = 100;
    public const int Events = 200;
    public const int CommandWords = 32;
    public const int TextLength = 500;

    public static string Text(string text) => text.Length <= TextLength ? text : text[..(TextLength - 1)] + "…";
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TraceDocument))]
public sealed partial class TraceJson : JsonSerializerContext;
