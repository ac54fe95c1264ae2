namespace Floe.Agent.Files;

public enum FileScopeMode
{
    /// <summary>The agent is pid 1 of a container-like machine: its root file system is the task's.</summary>
    Root,

    /// <summary>A plain host: the root file system belongs to the machine; in scope are the working directory, /tmp, /dev/shm and what is included.</summary>
    Work,

    /// <summary>Only what is included.</summary>
    Included,
}

/// <summary>What belongs to the task. All paths are absolute.</summary>
public sealed record FileScopeOptions
{
    public required FileScopeMode Mode { get; init; }

    /// <summary>Where the task starts; matters in <see cref="FileScopeMode.Work"/>. The root directory itself is not taken.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Directories of a plain host in which everybody writes; matters in <see cref="FileScopeMode.Work"/>.</summary>
    internal IReadOnlyList<string> PublicPaths { get; init; } = ["/tmp", "/dev/shm"];

    /// <summary>Directories that belong to the task too, though they are separate mounts (bind mounts, volumes).</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Directories or files that do not belong to the task.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>The agent's own files and directories: never part of the task, whatever is included.</summary>
    public IReadOnlyList<string> AgentPaths { get; init; } = [];

    /// <summary>Directories that the agent may share with the task, as it does when somebody names /tmp or the working directory for its files.</summary>
    public IReadOnlyList<AgentFolder> AgentFolders { get; init; } = [];
}

/// <summary>
/// A directory of which only some names are the agent's own. As long as it has no others it is no part of the task either; it is never
/// one that appeared, or is gone.
/// </summary>
/// <param name="Path">Absolute.</param>
/// <param name="Names">Of ASCII; each # stands for a hexadecimal digit.</param>
public sealed record AgentFolder(string Path, IReadOnlyList<string> Names);
