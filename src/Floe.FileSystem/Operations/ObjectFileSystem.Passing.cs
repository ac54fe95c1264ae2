using System.Collections.Concurrent;
using Floe.FileSystem.Content;
using Floe.FileSystem.Inodes;

namespace Floe.FileSystem.Operations;

/// <summary>Files that the kernel reads from the cache by itself (FUSE passthrough), and what can be written behind this file system's back then.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Pinned files that may be mapped for writing, with their <see cref="Node.Writes"/> and the hashes of their blocks as they were last taken in.</summary>
    private readonly ConcurrentDictionary<FileContent, (Node Node, long Writes, UInt128[] Hashes)> _mappable = new();

    /// <summary>Cancelled at the end of the mount.</summary>
    internal CancellationToken Stopping => _contents.Stopping;

    /// <summary>The local file of an open file, if the kernel may read it in its place: <see cref="FileContent.TryPinLocalFile"/>.</summary>
    internal LocalFile.Use? TryPin(ulong handle, out FileContent content)
    {
        content = FileOf(handle).Content;
        return content.TryPinLocalFile();
    }

    /// <summary>Another handle of an open file, for reading: it keeps the file as it is when the last of the kernel's has gone.</summary>
    internal ulong Hold(ulong handle)
    {
        var file = FileOf(handle);
        lock (Gate)
        {
            var held = Interlocked.Increment(ref _lastHandle);
            file.Content.Open(canRead: true, canWrite: false);
            _files[held] = file with { Node = Use(file.Node), CanRead = true, CanWrite = false };
            return held;
        }
    }

    /// <summary>From now on the handle's file may change without a request.</summary>
    internal void NoteMappable(ulong handle)
    {
        var file = FileOf(handle);
        if (!_mappable.ContainsKey(file.Content))
        {
            _mappable.TryAdd(file.Content, (file.Node, file.Node.Writes, file.Content.HashBlocks()));
        }
    }

    /// <summary>Files that may be mapped for writing, with their paths below the mount; null: no name.</summary>
    internal IReadOnlyList<(ulong Ino, string? Path)> Mappable()
    {
        lock (Gate)
        {
            return [.. _files.Values.Where(f => f is { CanRead: true, CanWrite: true }).Select(f => f.Node).Distinct().Select(n => (n.Ino, n.IsUnlinked ? null : PathOf(n)))];
        }
    }

    /// <summary>Nobody can change it so any more.</summary>
    internal void ForgetMappable(FileContent content) => _mappable.TryRemove(content, out _);

    /// <summary>Takes such changes in.</summary>
    internal async ValueTask TakeMappedAsync(FileContent content, CancellationToken cancellationToken)
    {
        if (_mappable.TryGetValue(content, out var known)
            && await content.TakeMappedAsync(known.Hashes, cancellationToken).ConfigureAwait(false) is { } hashes)
        {
            if (known.Node.Writes == known.Writes)
            {
                // Otherwise what differs is what requests wrote: the time may have been set since.
                Wrote(known.Node, killsPrivileges: false);
            }

            _mappable.TryUpdate(content, (known.Node, known.Node.Writes, hashes), known);
            lock (Gate)
            {
                // What the kernel's page cache has of it is of before.
                known.Node.CachedBy = null;
            }

            content.PublishInBackground();
        }
    }

    private async Task TakeMappedAsync(CancellationToken cancellationToken)
    {
        foreach (var content in _mappable.Keys)
        {
            await TakeMappedAsync(content, cancellationToken).ConfigureAwait(false);
        }
    }
}
