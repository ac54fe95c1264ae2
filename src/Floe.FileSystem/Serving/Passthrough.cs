using Floe.FileSystem.Content;
using Floe.FileSystem.Operations;
using Floe.Fuse;

namespace Floe.FileSystem.Serving;

/// <summary>
/// How each open of a file goes: through the page cache, past it, or straight to the local file (FUSE passthrough, Linux 6.9), which is as fast as
/// the local disk. The kernel wants all opens of one file alike: once one is passed through, those that come meanwhile must be too, and none can be
/// while one goes through the page cache. So the opens of each file are counted here.
///
/// A mapping of such a file is one of the local file, and outlives the descriptor that it was made with: the kernel releases the handle, and tells
/// nobody of the mapping's end. So the file is held, pinned and looked through for changes until nobody maps it.
/// </summary>
/// <param name="writesDirectly">Whether files that are open for direct I/O can be mapped all the same.</param>
internal sealed class Passthrough(ObjectFileSystem files, FuseServer server, bool writesDirectly, TimeProvider time)
{
    // The kernel may be a little behind with its own descriptor.
    private static readonly TimeSpan s_firstLook = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan s_lastLook = TimeSpan.FromSeconds(2);

    private const uint O_ACCMODE = 3;
    private const uint O_WRONLY = 1;
    private const uint O_RDWR = 2;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, Opens> _nodes = [];
    private readonly Dictionary<ulong, Way> _handles = [];

    private enum Way
    {
        Cached,
        /// <summary>For writing alone, past the page cache. It cannot be mapped.</summary>
        Direct,
        Passed,
        /// <summary>Passed through, and open for reading and writing: it can be mapped shared.</summary>
        PassedMappable,
    }

    private sealed class Opens
    {
        public int Cached { get; set; }

        /// <summary>How many there were of these in all.</summary>
        public int CachedEver { get; set; }

        public int Direct { get; set; }

        public int Passed { get; set; }

        public int BackingId { get; set; }

        public FileContent? Pinned { get; set; }

        /// <summary>Keeps the pinned file as it is.</summary>
        public ulong Held { get; set; }

        /// <summary>How often it was passed through.</summary>
        public int Generation { get; set; }

        public bool IsWatched { get; set; }
    }

    /// <summary>Decides how the kernel uses an open. Every open that it is told of ends with <see cref="ReleaseAsync"/>; one that fails here has ended.</summary>
    public async ValueTask<FuseOpened> OpenedAsync(ulong node, OpenedFile opened, uint flags)
    {
        var access = flags & O_ACCMODE;
        try
        {
            var result = Decide(node, opened, access);
            if (result.BackingId != 0 && access == O_RDWR)
            {
                // Before the kernel knows the handle, and not under the lock: it may read the file.
                await files.NoteMappableAsync(opened.Handle).ConfigureAwait(false);
            }

            return result;
        }
        catch
        {
            await ReleaseAsync(node, opened.Handle).ConfigureAwait(false);
            throw;
        }
    }

    private FuseOpened Decide(ulong node, OpenedFile opened, uint access)
    {
        lock (_gate)
        {
            var opens = _nodes.GetValueOrDefault(node) ?? new Opens();
            if (opens.Cached == 0 && (opens.Pinned is not null ? TryPassAgain(opens) : access == 0 && TryPin(opened.Handle, opens)))
            {
                opens.Passed++;
                opens.Generation++;
                _nodes[node] = opens;
                _handles[opened.Handle] = access == O_RDWR ? Way.PassedMappable : Way.Passed;
                // Writes come here all the same, for the upload's sake.
                return new FuseOpened(opened.Handle, access == 0 ? FuseOpenFlags.None : FuseOpenFlags.DirectIo, opens.BackingId);
            }

            _nodes[node] = opens;
            if (access == O_WRONLY && writesDirectly && opens.Cached == 0)
            {
                // Three times as fast, and nothing is held twice.
                opens.Direct++;
                _handles[opened.Handle] = Way.Direct;
                return new FuseOpened(opened.Handle, FuseOpenFlags.DirectIo);
            }

            opens.Cached++;
            opens.CachedEver++;
            _handles[opened.Handle] = Way.Cached;
            return new FuseOpened(opened.Handle, opened.KeepsCache ? FuseOpenFlags.KeepCache : FuseOpenFlags.None);
        }
    }

    public async ValueTask ReleaseAsync(ulong node, ulong handle)
    {
        Opens? passed = null;
        FileContent? content = null;
        Way? way;
        lock (_gate)
        {
            way = _handles.Remove(handle, out var known) ? known : null;
            if (way is Way.Cached or Way.Direct)
            {
                var opens = _nodes[node];
                opens.Cached -= way == Way.Cached ? 1 : 0;
                opens.Direct -= way == Way.Direct ? 1 : 0;
                Forget(node, opens);
            }
            else if (way is not null)
            {
                passed = _nodes[node];
                // Who releases it after this may be through with it before.
                content = passed.Pinned;
                if (--passed.Passed == 0)
                {
                    server.ReleaseBacking(passed.BackingId);
                    passed.BackingId = 0;
                }
            }
        }

        if (way == Way.PassedMappable)
        {
            await TryTakeMappedAsync(content!).ConfigureAwait(false);
        }

        files.Release(handle);
        if (passed is not null && !await TryEndAsync(node, passed).ConfigureAwait(false))
        {
            Watch(node, passed);
        }
    }

    /// <summary>Before a write, for <see cref="WroteAsync"/>: how many have had pages of the file; -1: somebody has.</summary>
    public int CountReaders(ulong node)
    {
        lock (_gate)
        {
            return !_nodes.TryGetValue(node, out var opens) ? 0 : opens.Cached > 0 ? -1 : opens.CachedEver;
        }
    }

    /// <summary>
    /// After a write: drops the range from the page cache where others use it and the write went past it. The kernel does it before such a write, and
    /// only since Linux 6.16 or so after it too: who touched a page in between would have mapped the old one for good, or left it to the next who reads.
    /// </summary>
    /// <param name="readers">As they were counted before it.</param>
    public ValueTask WroteAsync(ulong node, ulong handle, long offset, long count, int readers)
    {
        lock (_gate)
        {
            if (count == 0 || _handles.GetValueOrDefault(handle) != Way.Direct || !_nodes.TryGetValue(node, out var opens) || opens.CachedEver == readers)
            {
                return default;
            }
        }

        // It can wait for pages that are being fetched or written, and so for this server.
        return new ValueTask(Task.Run(() => server.InvalidatePages(node, offset, count)));
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

        (opens.BackingId, opens.Pinned, opens.Held) = (id, content, files.Hold(handle));
        return true;
    }

    /// <summary>The kernel may have it still, or gets it anew.</summary>
    private bool TryPassAgain(Opens opens)
    {
        if (opens.Passed > 0)
        {
            return true;
        }

        using var local = opens.Pinned!.OpenLocalFile();
        opens.BackingId = server.TryRegisterBacking(local.Handle) ?? 0;
        return opens.BackingId != 0;
    }

    /// <summary>Lets go of a file that the kernel does not have any more. False: somebody maps it.</summary>
    private async ValueTask<bool> TryEndAsync(ulong node, Opens opens)
    {
        while (true)
        {
            int generation;
            FileContent content;
            lock (_gate)
            {
                if (opens is { Passed: > 0 } or { Pinned: null })
                {
                    return true;
                }

                (content, generation) = (opens.Pinned, opens.Generation);
                if (content.IsLocalFileMapped())
                {
                    return false;
                }
            }

            // Not under the lock: it reads the file.
            if (!await TryTakeMappedAsync(content).ConfigureAwait(false))
            {
                return false;
            }

            ulong held;
            lock (_gate)
            {
                if (opens.Generation != generation)
                {
                    continue;
                }

                if (opens.Pinned is null)
                {
                    // Who releases it and who looks again for the end of its mappings may both come this far.
                    return true;
                }

                files.ForgetMappable(content);
                content.UnpinLocalFile();
                (held, opens.Pinned, opens.Held) = (opens.Held, null, 0);
                Forget(node, opens);
            }

            files.Release(held);
            return true;
        }
    }

    /// <summary>Looks again until nobody maps it, at longer and longer intervals.</summary>
    private void Watch(ulong node, Opens opens)
    {
        lock (_gate)
        {
            if (opens.IsWatched)
            {
                return;
            }

            opens.IsWatched = true;
        }

        _ = WatchAsync();

        async Task WatchAsync()
        {
            try
            {
                for (var pause = s_firstLook; ; pause = pause * 2 < s_lastLook ? pause * 2 : s_lastLook)
                {
                    await Task.Delay(pause, time, files.Stopping).ConfigureAwait(false);
                    lock (_gate)
                    {
                        // Whoever releases it last begins anew.
                        opens.IsWatched = opens is { Passed: 0, Pinned: not null };
                        if (!opens.IsWatched)
                        {
                            return;
                        }
                    }

                    _ = await TryEndAsync(node, opens).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                // The mount's end: it takes in what was changed.
            }
        }
    }

    private async ValueTask<bool> TryTakeMappedAsync(FileContent content)
    {
        try
        {
            await files.TakeMappedAsync(content, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (ContentException)
        {
            // The local disk does not give the file: it stays pinned, and is asked again.
            return false;
        }
    }

    private void Forget(ulong node, Opens opens)
    {
        if (opens is { Cached: 0, Direct: 0, Passed: 0, Pinned: null })
        {
            _nodes.Remove(node);
        }
    }
}
