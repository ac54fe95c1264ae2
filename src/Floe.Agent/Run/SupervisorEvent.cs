using Floe.Agent.Control;
using Floe.Agent.Notices;
using Floe.Linux.Processes;

namespace Floe.Agent.Run;

/// <summary>What the supervisor reacts to, one at a time.</summary>
internal abstract record SupervisorEvent
{
    /// <param name="At">When, by the time provider's timestamps: it may wait behind a snapshot, and its output be taken late.</param>
    public sealed record TaskEnded(ExitStatus Status, long At) : SupervisorEvent;

    /// <summary>The time is over in which a crash would have been laid to a restore or a failed snapshot.</summary>
    public sealed record TrialOver : SupervisorEvent;

    /// <summary>This machine will be taken away at the notice's deadline.</summary>
    public sealed record Reclaim(ReclaimNotice Notice) : SupervisorEvent;

    /// <summary>Somebody asked through the control socket.</summary>
    public sealed record Requested(bool LeaveRunning, TaskCompletionSource<SnapshotReport> Answer) : SupervisorEvent;

    /// <summary>SIGTERM.</summary>
    public sealed record Terminated : SupervisorEvent;

    /// <summary>Another machine has, or may have, the key.</summary>
    public sealed record LeaseLost(string Reason) : SupervisorEvent;
}
