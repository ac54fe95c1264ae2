using Floe.FileSystem;
using Floe.FileSystem.Content;

namespace Floe.Agent.Mounts;

/// <summary>The file system that a task gets before it starts.</summary>
/// <param name="Directory">Absolute; made if it is not there.</param>
public sealed record MountRequest(string Directory, FileSystemOptions Files, ContentStoreOptions Contents)
{
    /// <summary>A folder of a bucket that the task has to itself, below the mount; null: none is known.</summary>
    public BucketFolder? Work { get; init; }

    /// <summary>Whether the cache's folder goes with the mount, unless bytes are kept there; false: it is everybody's.</summary>
    public bool RemovesCacheFolder { get; init; } = true;

    /// <summary>Name of a file in <see cref="Work"/> that gets a copy of all that the task writes to its standard streams; null: none.</summary>
    public string? OutputCopy { get; init; }
}
