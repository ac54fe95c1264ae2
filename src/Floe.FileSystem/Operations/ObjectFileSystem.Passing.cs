using System.Collections.Concurrent;
using Floe.FileSystem.Content;

namespace Floe.FileSystem.Operations;

/// <summary>Files that the kernel reads from the cache by itself (FUSE passthrough), and what can be written behind this file system's back then.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Handles through which a pinned file can be mapped for writing, with the hashes of its blocks as they were last taken in.</summary>
    private readonly ConcurrentDictionary<ulong, UInt128[]> _mappable = new();

    /// <summary>The local file of an open file, if the kernel may read it in its place: <see cref="FileContent.TryPinLocalFile"/>.</summary>
    internal LocalFile.Use? TryPin(ulong handle, out FileContent content)
    {
        content = FileOf(handle).Content;
        return content.TryPinLocalFile();
    }

    /// <summary>From now on the handle's file may change without a request.</summary>
    internal void NoteMappable(ulong handle) => _mappable[handle] = FileOf(handle).Content.HashBlocks();

    /// <summary>As <see cref="Release"/>, for those handles.</summary>
    internal async ValueTask ReleaseMappableAsync(ulong handle)
    {
        await TakeMappedAsync(handle, CancellationToken.None).ConfigureAwait(false);
        _mappable.TryRemove(handle, out _);
        Release(handle);
    }

    /// <summary>Takes such changes in.</summary>
    private async ValueTask TakeMappedAsync(ulong handle, CancellationToken cancellationToken)
    {
        if (_mappable.TryGetValue(handle, out var known) && _files.TryGetValue(handle, out var file)
            && await file.Content.TakeMappedAsync(known, cancellationToken).ConfigureAwait(false) is { } hashes)
        {
            _mappable[handle] = hashes;
            Wrote(file.Node, killsPrivileges: false);
            lock (Gate)
            {
                // What the kernel's page cache has of it is of before.
                file.Node.CachedBy = null;
            }
        }
    }
}
