using System.Text.Json;
using System.Text.Json.Serialization;
using Floe.Store;

namespace Floe.Agent.Control;

/// <summary>What another process may ask of a running agent: one JSON object on a line, answered by lines until Done or Error.</summary>
public sealed record ControlRequest
{
    /// <summary>"snapshot" or "status".</summary>
    public required string Verb { get; init; }

    public bool LeaveRunning { get; init; }
}

public sealed record ControlReply
{
    /// <summary>"progress", "done" or "error".</summary>
    public required string Event { get; init; }

    /// <summary>The reason of an error.</summary>
    public string? Message { get; init; }

    public CaptureProgress? Progress { get; init; }

    public SnapshotReport? Snapshot { get; init; }

    public AgentStatus? Status { get; init; }
}

/// <summary>How far a snapshot is. Bytes of memory and files read so far, of those new to the store, and sent.</summary>
/// <param name="Phase">freezing, capturing, committing.</param>
/// <param name="ExpectedBytes">What will be read in all, as far as it is known; 0 before that.</param>
public sealed record CaptureProgress(string Phase, long ReadBytes, long ExpectedBytes, long NewBytes, long SentBytes, long ElapsedMillis);

/// <summary>A committed snapshot.</summary>
public sealed record SnapshotReport
{
    public required string Key { get; init; }

    public required long Sequence { get; init; }

    public required bool TaskRuns { get; init; }

    public required int Processes { get; init; }

    public required long ReadBytes { get; init; }

    public required long ZeroBytes { get; init; }

    /// <summary>Part of the read bytes that the store had already, or that the snapshot repeats.</summary>
    public long DedupBytes { get; init; }

    public required long NewBytes { get; init; }

    public required long SentBytes { get; init; }

    public required long FrozenMillis { get; init; }

    public required long TotalMillis { get; init; }

    public SnapshotTimings? Timings { get; init; }
}

/// <summary>What the agent is doing.</summary>
public sealed record AgentStatus
{
    public required string Key { get; init; }

    public required string Store { get; init; }

    /// <summary>starting (restoring included), running, snapshotting, ended.</summary>
    public required string State { get; init; }

    public required int TaskPid { get; init; }

    /// <summary>0 when the task was started here, else the snapshot that it was restored from.</summary>
    public required long RestoredFrom { get; init; }

    public required int Snapshots { get; init; }

    public DateTimeOffset? ReclaimDeadline { get; init; }

    /// <summary>When the task began to run on this machine.</summary>
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>Of the task's tree, the init that Floe puts above it included.</summary>
    public int Processes { get; init; }

    /// <summary>Resident memory of all processes; pages that several share are counted in each.</summary>
    public long ResidentBytes { get; init; }

    /// <summary>User and system time of the processes that live.</summary>
    public long ProcessorMillis { get; init; }

    /// <summary>The snapshot that is being taken; null when none is.</summary>
    public CaptureProgress? Progress { get; init; }

    /// <summary>The last one that was committed here.</summary>
    public SnapshotReport? LastSnapshot { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlReply))]
[JsonSerializable(typeof(AgentStatus))]
[JsonSerializable(typeof(AgentRecord))]
public sealed partial class ControlJson : JsonSerializerContext;

/// <summary>What an agent leaves beside its control socket, so that others find it by key.</summary>
public sealed record AgentRecord(string Key, string Store, string Host);
