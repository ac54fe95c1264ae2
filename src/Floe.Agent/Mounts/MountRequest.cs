using Floe.FileSystem;
using Floe.FileSystem.Content;

namespace Floe.Agent.Mounts;

/// <summary>The file system that a task gets before it starts.</summary>
/// <param name="Directory">Absolute; made if it is not there.</param>
public sealed record MountRequest(string Directory, FileSystemOptions Files, ContentStoreOptions Contents);
