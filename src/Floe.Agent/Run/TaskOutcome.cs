using Floe.Agent.Control;
using Floe.Agent.Snapshots;
using Floe.Linux.Processes;

namespace Floe.Agent.Run;

/// <summary>How a task left this machine.</summary>
internal abstract record TaskOutcome
{
    /// <summary>By itself.</summary>
    public sealed record Ended(ExitStatus Status) : TaskOutcome;

    /// <summary>Snapshotted; it goes on elsewhere.</summary>
    /// <param name="MachineEnds">The deadline of the reclaim notice that is pending; null when none is.</param>
    public sealed record TakenAway(SnapshotReport Report, DateTimeOffset? MachineEnds) : TaskOutcome;

    /// <summary>It had to end and could not be saved.</summary>
    public sealed record SnapshotFailed : TaskOutcome;

    /// <summary>It was restored, and crashed at once.</summary>
    public sealed record RestoreFailed : TaskOutcome;

    /// <summary>Another machine has the key.</summary>
    public sealed record LeaseLost(string Reason) : TaskOutcome;
}
