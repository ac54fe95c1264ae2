using Floe.Agent.Control;
using Floe.Agent.Files;
using Floe.Agent.Run;
using Floe.Agent.Trace;
using Floe.Criu;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>What every snapshot and restore of one `floe run` works with.</summary>
internal sealed record SnapshotContext
{
    public required RunOptions Options { get; init; }

    public required AgentDirectory Directory { get; init; }

    public required CriuInstallation Criu { get; init; }

    public required SnapshotStore Store { get; init; }

    public required Lease Lease { get; init; }

    /// <summary>What people get to read of all this.</summary>
    public required TaskTrace Trace { get; init; }

    /// <summary>To be told when something of the task is about to run.</summary>
    public required RunSignals Signals { get; init; }

    /// <summary>Blocks that the store has of this task, each sent or read by this agent.</summary>
    public required KnownBlocks Known { get; init; }

    /// <summary>The level that the task was started with, here or on its first machine.</summary>
    public string? CpuBaseline { get; init; }

    /// <summary>The task's object-store file system; null: none.</summary>
    public Mounts.TaskMount? Mount { get; init; }

    public required FileScope Scope { get; init; }

    /// <summary>What the task writes where others write too; null where there is no such place, or the kernel does not tell.</summary>
    public WrittenFiles? Written { get; init; }

    /// <summary>The listing of the files as they were before the task ran here.</summary>
    public required FileBaseline Baseline { get; init; }
}
