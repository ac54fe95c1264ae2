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

    /// <summary>Directories that belong to the task too, though they are separate mounts (bind mounts, volumes).</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Directories or files that do not belong to the task.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>The agent's own directories (state, run directory, folder store): never part of the task, whatever is included.</summary>
    public IReadOnlyList<string> AgentPaths { get; init; } = [];
}
