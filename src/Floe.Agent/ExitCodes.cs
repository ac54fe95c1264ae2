namespace Floe.Agent;

/// <summary>What `floe run` and the other verbs exit with, apart from the task's own status.</summary>
public static class ExitCodes
{
    public const int Usage = 2;

    /// <summary>EX_TEMPFAIL: snapshotted, run me again.</summary>
    public const int Snapshotted = 75;

    /// <summary>The command was not found, as a shell says it.</summary>
    public const int CommandNotFound = 127;

    /// <summary>The object store or the file system failed.</summary>
    public const int StoreError = 174;

    public const int SnapshotFailed = 175;

    public const int RestoreFailed = 176;
}

/// <summary>A failure with an exit code of its own; the message is one line for the user and says what to do.</summary>
public sealed class FloeException(int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}
