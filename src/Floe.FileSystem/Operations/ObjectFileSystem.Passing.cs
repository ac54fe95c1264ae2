using System.Collections.Concurrent;
using Floe.FileSystem.Content;
using Floe.FileSystem.Inodes;

namespace Floe.FileSystem.Operations;

/// <summary>Files that the kernel reads from the cache by itself (FUSE passthrough), and what can be written behind this file system's back then.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Pinned files that may be mapped for writing, with their <see cref="Node.Writes"/> as they were last taken in.</summary>
    private readonly ConcurrentDictionary<FileContent, (Node Node, long Writes)> _mappable = new();

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
    internal async ValueTask NoteMappableAsync(ulong handle)
    {
        var file = FileOf(handle);
        var writes = file.Node.Writes;
        await file.Content.NoteMappableAsync(Stopping).ConfigureAwait(false);
        _mappable.TryAdd(file.Content, (file.Node, writes));
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
    internal void ForgetMappable(FileContent content)
    {
        if (_mappable.TryRemove(content, out _))
        {
            content.ForgetMappable();
        }
    }

    /// <summary>Takes such changes in.</summary>
    internal ValueTask TakeMappedAsync(FileContent content, CancellationToken cancellationToken) => TakeMappedAsync(content, CancellationToken.None, cancellationToken);

    /// <param name="released">Cancelled where a publication of the file is not to be waited for.</param>
    private async ValueTask TakeMappedAsync(FileContent content, CancellationToken released, CancellationToken cancellationToken)
    {
        if (_mappable.TryGetValue(content, out var known) && await content.TakeMappedAsync(released, cancellationToken).ConfigureAwait(false))
        {
            if (known.Node.Writes == known.Writes)
            {
                // Otherwise what differs is what requests wrote: the time may have been set since.
                Wrote(known.Node, killsPrivileges: false);
            }

            _mappable.TryUpdate(content, (known.Node, known.Node.Writes), known);
            lock (Gate)
            {
                // What the kernel's page cache has of it is of before.
                known.Node.CachedBy = null;
            }

            content.PublishInBackground();
        }
    }

    /// <summary>
    /// At the end, when one file that cannot be read must not keep the others from the bucket. All of it counts as written, so that it goes up if it can be
    /// read by then, and is left on the local disk and named if not.
    /// </summary>
    private async Task TakeWhatCanBeMappedAsync(CancellationToken cancellationToken)
    {
        foreach (var content in _mappable.Keys)
        {
            try
            {
                await TakeMappedAsync(content, cancellationToken).ConfigureAwait(false);
            }
            catch (ContentException)
            {
                content.CountAllAsWritten();
            }
        }
    }

    /// <summary>For a snapshot: all stand still, and wait for nothing that is being sent.</summary>
    private async Task TakeMappedAsync(CancellationToken cancellationToken)
    {
        foreach (var content in _mappable.Keys)
        {
            await TakeMappedAsync(content, released: new CancellationToken(true), cancellationToken).ConfigureAwait(false);
        }
    }
}
