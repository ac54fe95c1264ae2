namespace Floe.Agent.Snapshots;

/// <summary>A snapshot that was not committed. The task runs on, and the last good snapshot is still good.</summary>
/// <param name="isPermanent">Trying again cannot help: the lease is lost, or the task holds something that cannot be carried.</param>
internal sealed class SnapshotFailedException(string message, bool isPermanent, Exception inner) : Exception(message, inner)
{
    public bool IsPermanent { get; } = isPermanent;
}
