using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>
/// Open handles of the store's directories. A directory handed out by <see cref="OpenOrCreate"/> is itself durable: its entry, and those of
/// its parents, were synced. Entries are made relative to a handle, so one in a directory that was removed meanwhile fails with ENOENT
/// instead of landing in a new directory of the same name that nobody synced.
/// </summary>
internal sealed class FolderDirectories(StoreUrl store, SafeFileHandle root) : IDisposable
{
    private const int MaxCached = 256;

    // Handles dropped from the cache may still be in use by other threads: their finalizer closes them.
    private readonly ConcurrentDictionary<string, SafeFileHandle> _durable = new(StringComparer.Ordinal);

    /// <param name="path">Relative to the root, without slashes at the ends; empty is the root.</param>
    public SafeFileHandle OpenOrCreate(string path)
    {
        if (path.Length == 0)
        {
            return root;
        }

        if (_durable.TryGetValue(path, out var cached))
        {
            return cached;
        }

        var slash = path.LastIndexOf('/');
        var parentPath = slash < 0 ? "" : path[..slash];
        var name = path[(slash + 1)..];
        while (true)
        {
            var parent = OpenOrCreate(parentPath);
            var handle = Interop.openat(parent, name, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
            if (handle.IsInvalid)
            {
                var errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.ENOENT)
                {
                    throw FolderErrors.From(store, $"opening {path}/", errno);
                }

                if (Interop.mkdirat(parent, name, 0b111_000_000) != 0)
                {
                    errno = Marshal.GetLastPInvokeError();
                    if (errno == Errno.ENOENT && parentPath.Length > 0)
                    {
                        Forget(parentPath);
                    }
                    else if (errno != Errno.EEXIST)
                    {
                        throw FolderErrors.From(store, $"making {path}/", errno);
                    }
                }

                continue;
            }

            // Whoever made the directory may not have synced its entry yet.
            Sync(parent, parentPath);
            if (_durable.Count >= MaxCached)
            {
                _durable.Clear();
            }

            return _durable.GetOrAdd(path, handle);
        }
    }

    /// <summary>To be called when an operation relative to the directory says that it is gone.</summary>
    public void Forget(string path)
    {
        for (; path.Length > 0; path = path[..Math.Max(path.LastIndexOf('/'), 0)])
        {
            _durable.TryRemove(path, out _);
        }
    }

    /// <summary>Makes the entries of a directory durable.</summary>
    public void Sync(SafeFileHandle directory, string path)
    {
        if (Interop.fsync(directory) != 0)
        {
            throw FolderErrors.Last(store, $"syncing {path}/");
        }
    }

    /// <summary>
    /// Removes the directory and its parents as far up as they are empty. A writer that is about to use one finds it gone and makes it again.
    /// </summary>
    public void RemoveEmpty(string path)
    {
        for (; path.Length > 0; path = path[..Math.Max(path.LastIndexOf('/'), 0)])
        {
            if (Interop.unlinkat(root, path, Interop.AT_REMOVEDIR) != 0)
            {
                return;
            }

            _durable.TryRemove(path, out _);
        }
    }

    public void Dispose()
    {
        foreach (var handle in _durable.Values)
        {
            handle.Dispose();
        }

        _durable.Clear();
    }
}
