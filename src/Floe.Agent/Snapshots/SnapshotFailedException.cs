using Floe.Linux;

namespace Floe.Agent.Snapshots;

/// <summary>A snapshot that was not committed. The task runs on, and the last good snapshot is still good.</summary>
/// <param name="isPermanent">Trying again cannot help: the lease is lost, or the task holds something that cannot be carried.</param>
internal sealed class SnapshotFailedException(string message, bool isPermanent, Exception inner) : Exception(message, inner)
{
    public bool IsPermanent { get; } = isPermanent;

    /// <summary>
    /// Of a task whose output was refused. The frozen task believes that it has written what is lost, so a snapshot of it would be one that no run could make
    /// whole; from the snapshot before, that output is written again.
    /// </summary>
    public static SnapshotFailedException OutputRefused(LinuxException refusal) =>
        new($"output of the task could not be passed on and is lost ({refusal.Message}): a snapshot of now would never bring it back", true, refusal);
}
