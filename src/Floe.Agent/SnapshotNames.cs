namespace Floe.Agent;

/// <summary>Names of the streams and small images that the agent puts into a snapshot (docs/format.md).</summary>
internal static class SnapshotNames
{
    /// <summary>
    /// More output than that is not held for a reader that takes none: a pipe's worth is added with every snapshot that leaves the task running.
    /// </summary>
    public const int MaxBacklogBytes = 1024 * 1024 * 1024;

    /// <summary>What the task had written to its standard output and error and nobody had taken yet.</summary>
    public const string StdoutBacklog = "stdio/stdout";
    public const string StderrBacklog = "stdio/stderr";

    public const string CriuPrefix = "criu/";

    /// <summary>A CRIU image under its own name: <c>criu/pages-1.img</c>.</summary>
    public static string CriuImage(string fileName) => CriuPrefix + fileName;
}
