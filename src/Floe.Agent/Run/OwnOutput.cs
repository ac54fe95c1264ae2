namespace Floe.Agent.Run;

/// <summary>
/// The files that the agent's own stdout and stderr are, as Slurm and shells make them, often in the task's working directory. They are not the
/// task's: it writes into the agent's pipes. Putting one back would replace it, and what the agent writes from then on would go to a file
/// without a name; it would also lose what others, the scheduler among them, wrote into it after the snapshot.
/// </summary>
internal static class OwnOutput
{
    /// <summary>Absolute paths; none for pipes, terminals and files that have been removed.</summary>
    /// <param name="descriptors">Links named by descriptor number, as in /proc/self/fd (proc(5)).</param>
    public static IEnumerable<string> Files(string descriptors)
    {
        foreach (var descriptor in (string[])["1", "2"])
        {
            // Of a removed file the kernel says "PATH (deleted)", of a pipe "pipe:[INODE]".
            if (new FileInfo(Path.Combine(descriptors, descriptor)).LinkTarget is { } target && target.StartsWith('/') && File.Exists(target))
            {
                yield return target;
            }
        }
    }
}
