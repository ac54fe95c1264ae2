using Floe.FileSystem.Content;
using Floe.FileSystem.Operations;
using Floe.Fuse;

namespace Floe.FileSystem.Serving;

/// <summary>
/// How each open of a file goes: through the page cache, past it, or straight to the local file (FUSE passthrough, Linux 6.9), which is as fast as
/// the local disk. The kernel wants all opens of one file alike: once one is passed through, those that come meanwhile must be too, and none can be
/// while one goes through the page cache. So the opens of each file are counted here.
/// </summary>
/// <param name="writesDirectly">Whether files that are open for direct I/O can be mapped all the same.</param>
internal sealed class Passthrough(ObjectFileSystem files, FuseServer server, bool writesDirectly)
{
    private const uint O_ACCMODE = 3;
    private const uint O_WRONLY = 1;
    private const uint O_RDWR = 2;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, Opens> _nodes = [];
    private readonly Dictionary<ulong, Way> _handles = [];

    private enum Way
    {
        Cached,
        Passed,
        /// <summary>Passed through, and open for reading and writing: it can be mapped shared.</summary>
        PassedMappable,
    }

    private sealed class Opens
    {
        public int Cached { get; set; }

        public int Passed { get; set; }

        public int BackingId { get; set; }

        public FileContent? Pinned { get; set; }
    }

    /// <summary>Decides how the kernel uses an open. Every open for which it is asked ends with <see cref="ReleaseAsync"/>.</summary>
    public FuseOpened Opened(ulong node, OpenedFile opened, uint flags)
    {
        var access = flags & O_ACCMODE;
        var result = Decide(node, opened, access);
        if (result.BackingId != 0 && access == O_RDWR)
        {
            // Before the kernel knows the handle, and not under the lock: it reads the file.
            files.NoteMappable(opened.Handle);
        }

        return result;
    }

    private FuseOpened Decide(ulong node, OpenedFile opened, uint access)
    {
        lock (_gate)
        {
            var opens = _nodes.GetValueOrDefault(node) ?? new Opens();
            if (opens.Passed > 0 || (access == 0 && opens.Cached == 0 && TryPin(opened.Handle, opens)))
            {
                opens.Passed++;
                _nodes[node] = opens;
                _handles[opened.Handle] = access == O_RDWR ? Way.PassedMappable : Way.Passed;
                // Writes come here all the same, for the upload's sake.
                return new FuseOpened(opened.Handle, access == 0 ? FuseOpenFlags.None : FuseOpenFlags.DirectIo, opens.BackingId);
            }

            if (access == O_WRONLY && writesDirectly)
            {
                // Past the page cache: three times as fast, and nothing is held twice. It counts for nothing, since it cannot be mapped.
                return new FuseOpened(opened.Handle, FuseOpenFlags.DirectIo);
            }

            opens.Cached++;
            _nodes[node] = opens;
            _handles[opened.Handle] = Way.Cached;
            return new FuseOpened(opened.Handle, opened.KeepsCache ? FuseOpenFlags.KeepCache : FuseOpenFlags.None);
        }
    }

    public async ValueTask ReleaseAsync(ulong node, ulong handle)
    {
        Way? way;
        lock (_gate)
        {
            way = _handles.Remove(handle, out var known) ? known : null;
        }

        if (way == Way.PassedMappable)
        {
            await files.ReleaseMappableAsync(handle).ConfigureAwait(false);
        }
        else
        {
            files.Release(handle);
        }

        if (way is { } counted)
        {
            lock (_gate)
            {
                Forget(node, counted);
            }
        }
    }

    private bool TryPin(ulong handle, Opens opens)
    {
        if (!server.MayPassThrough || files.TryPin(handle, out var content) is not { } pinned)
        {
            return false;
        }

        using var local = pinned;
        if (server.TryRegisterBacking(local.Handle) is not { } id)
        {
            content.UnpinLocalFile();
            return false;
        }

        (opens.BackingId, opens.Pinned) = (id, content);
        return true;
    }

    private void Forget(ulong node, Way way)
    {
        var opens = _nodes[node];
        if (way == Way.Cached)
        {
            opens.Cached--;
        }
        else if (--opens.Passed == 0)
        {
            server.ReleaseBacking(opens.BackingId);
            opens.Pinned!.UnpinLocalFile();
            opens.Pinned = null;
        }

        if (opens is { Cached: 0, Passed: 0 })
        {
            _nodes.Remove(node);
        }
    }
}
