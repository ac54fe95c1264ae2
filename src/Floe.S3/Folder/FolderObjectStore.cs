using System.Buffers;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>
/// Objects as files below a folder. A write goes to <c>.floe/tmp</c>, is synced, gets its name by link or rename under the key's lock
/// (<c>.floe/locks</c>, flock), and its directory is synced: when a PUT returns, the object outlives a power cut.
/// Several machines may share the folder where its file system has flock and atomic link and rename across them (NFS does).
/// </summary>
internal sealed partial class FolderObjectStore : IMultipartStore
{
    private const int LargeReadBytes = 4 << 20;

    private readonly TimeProvider _time;
    private readonly SafeFileHandle _root;
    private readonly SafeFileHandle _temporaryFolder;
    private readonly SafeFileHandle _lockFolder;
    private readonly FolderDirectories _directories;
    private readonly FolderListing _listing;
    private readonly FolderCalls _calls;

    private FolderObjectStore(StoreUrl url, SafeFileHandle root, TimeProvider time)
    {
        Url = url;
        _root = root;
        _time = time;
        _directories = new FolderDirectories(url, root);
        _temporaryFolder = _directories.OpenOrCreate($"{FolderListing.OwnFolder}/tmp");
        _lockFolder = _directories.OpenOrCreate($"{FolderListing.OwnFolder}/locks");
        _calls = new FolderCalls(url, MaxConnections, time);
        _listing = new FolderListing(url, root, _calls);
    }

    public StoreUrl Url { get; }

    public int MaxConnections => 8;

    public TimeSpan FailingFor => _calls.FailingFor;

    /// <summary>Opens the folder, making it with mode 0700 if it is not there.</summary>
    public static FolderObjectStore Open(StoreUrl url, TimeProvider time)
    {
        try
        {
            Directory.CreateDirectory(url.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ObjectStoreException(
                e is UnauthorizedAccessException ? ObjectStoreErrorKind.AccessDenied : ObjectStoreErrorKind.Unavailable,
                $"store {url}: the folder cannot be made: {e.Message}", e);
        }

        var root = Interop.openat(Interop.AT_FDCWD, url.Path, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_CLOEXEC, 0);
        if (root.IsInvalid)
        {
            throw FolderErrors.Last(url, "opening the folder");
        }

        try
        {
            var store = new FolderObjectStore(url, root, time);
            FolderTemporary.RemoveLeftovers(store._temporaryFolder, $"{url.Path}/{FolderListing.OwnFolder}/tmp", time.GetUtcNow());
            return store;
        }
        catch
        {
            root.Dispose();
            throw;
        }
    }

    public Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) => RunAsync(key, _ =>
    {
        var file = FolderFile.TryStat(_root, key.Value, out var errno);
        return file is { } found
            ? new ObjectInfo(key, found.Size, found.ETag, found.LastModified)
            : IsAbsence(errno) ? null : throw FolderErrors.From(Url, $"looking at {key}", errno);
    }, cancellationToken);

    public Task<ETag> PutAsync(ObjectKey key, ReadOnlyMemory<byte> content, PutCondition condition, CancellationToken cancellationToken) =>
        RunAsync(key, call =>
        {
            using var temporary = FolderTemporary.Create(Url, _temporaryFolder);
            temporary.Append(content.Span, call);
            return Publish(key, temporary, condition, call);
        }, cancellationToken);

    public async Task<ETag> PutLargeAsync(
        ObjectKey key, Stream content, long maxBytes, PutCondition condition, int maxParallelParts, CancellationToken cancellationToken)
    {
        Check(key);
        using var temporary = FolderTemporary.Create(Url, _temporaryFolder);
        var buffer = ArrayPool<byte>.Shared.Rent(LargeReadBytes);
        try
        {
            while (await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            {
                if (temporary.Length + count > maxBytes)
                {
                    throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, $"store {Url}: {key} grew past {maxBytes} bytes while it was written");
                }

                await _calls.RunAsync(call =>
                {
                    temporary.Append(buffer.AsSpan(0, count), call);
                    return true;
                }, canBeLeft: false, cancellationToken).ConfigureAwait(false);
            }

            return await _calls.RunAsync(call => Publish(key, temporary, condition, call), canBeLeft: false, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A folder's unfinished writes are removed when it is opened, so there is nothing to abort.</summary>
    public Task<int> AbortStaleUploadsAsync(ObjectKey prefix, DateTimeOffset startedBefore, CancellationToken cancellationToken) => Task.FromResult(0);

    public IAsyncEnumerable<ObjectInfo> ListAsync(ObjectKey prefix, CancellationToken cancellationToken)
    {
        ObjectKeyRules.CheckPrefix(prefix);
        return _listing.ListAsync(prefix.Value, cancellationToken);
    }

    public IAsyncEnumerable<ObjectKey> ListFoldersAsync(ObjectKey prefix, CancellationToken cancellationToken)
    {
        ObjectKeyRules.CheckFolder(prefix);
        return _listing.ListFoldersAsync(prefix.Value, cancellationToken).Select(folder => new ObjectKey(folder));
    }

    public async Task DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        foreach (var key in keys)
        {
            Check(key);
        }

        var folders = new HashSet<string>(StringComparer.Ordinal);
        foreach (var batch in keys.Chunk(1000))
        {
            await _calls.RunAsync(call =>
            {
                foreach (var key in batch)
                {
                    call.MovesOn();
                    Delete(key, call);
                    folders.Add(Split(key).Folder);
                }

                return true;
            }, canBeLeft: true, cancellationToken).ConfigureAwait(false);
        }

        await _calls.RunAsync(call =>
        {
            foreach (var folder in folders)
            {
                call.MovesOn();
                _directories.RemoveEmpty(folder);
            }

            return true;
        }, canBeLeft: true, cancellationToken).ConfigureAwait(false);
    }

    public Task DeleteOnceAsync(ObjectKey key, CancellationToken cancellationToken) => DeleteAsync([key], cancellationToken);

    public ValueTask DisposeAsync()
    {
        _directories.Dispose();
        _root.Dispose();
        _calls.Dispose();
        return ValueTask.CompletedTask;
    }

    private static bool IsAbsence(int errno) => errno is Errno.ENOENT or Errno.ENOTDIR;

    private static (string Folder, string Name) Split(ObjectKey key)
    {
        var slash = key.Value.LastIndexOf('/');
        return slash < 0 ? ("", key.Value) : (key.Value[..slash], key.Value[(slash + 1)..]);
    }

    private static void Check(ObjectKey key)
    {
        ObjectKeyRules.CheckKey(key);
        if (key.Value == FolderListing.OwnFolder || key.Value.StartsWith(FolderListing.OwnFolder + "/", StringComparison.Ordinal))
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, $"'{key}' is no object key: {FolderListing.OwnFolder}/ is the store's own");
        }
    }

    private Task<T> RunAsync<T>(ObjectKey key, Func<FolderCall, T> operation, CancellationToken cancellationToken)
    {
        Check(key);
        return _calls.RunAsync(operation, canBeLeft: true, cancellationToken);
    }

    private ETag Publish(ObjectKey key, FolderTemporary temporary, PutCondition condition, FolderCall call)
    {
        var modified = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
        temporary.SetModified(modified);
        temporary.Sync();
        var (folder, name) = Split(key);
        while (true)
        {
            call.MovesOn();
            var directory = _directories.OpenOrCreate(folder);
            ETag etag;
            using (FolderLock.Take(Url, _lockFolder, key))
            {
                var current = FolderFile.TryStat(directory, name, out var errno, out var isDirectory);
                if (isDirectory || (errno != 0 && errno != Errno.ENOENT))
                {
                    throw FolderErrors.From(Url, $"writing {key}", isDirectory ? Errno.EISDIR : errno);
                }

                if ((condition.MustBeAbsent && current is not null) || (condition.MustMatch is { } wanted && current?.ETag != wanted))
                {
                    throw PreconditionFailed(key, condition);
                }

                etag = RaiseVersion(temporary, current);

                // A call that was left behind in what came before must not write now: whoever gave it up has gone on, and the lock may have been another's meanwhile.
                call.MovesOn();
                // link fails where the name exists even if somebody else's lock means nothing here.
                var failed = condition.MustBeAbsent
                    ? Interop.linkat(_temporaryFolder, temporary.Name, directory, name, 0) != 0
                    : Interop.renameat(_temporaryFolder, temporary.Name, directory, name) != 0;
                if (failed && (errno = Marshal.GetLastPInvokeError()) is Errno.EPERM or Errno.EOPNOTSUPP && condition.MustBeAbsent)
                {
                    // A file system without hard links: the lock and the look above have to do.
                    failed = Interop.renameat(_temporaryFolder, temporary.Name, directory, name) != 0;
                    errno = Marshal.GetLastPInvokeError();
                }

                if (failed)
                {
                    if (errno == Errno.ENOENT && folder.Length > 0 && FolderFile.TryStat(_temporaryFolder, temporary.Name, out _) is not null)
                    {
                        // Somebody deleted the folder's last object and the folder with it.
                        _directories.Forget(folder);
                        continue;
                    }

                    throw errno == Errno.EEXIST ? PreconditionFailed(key, condition) : FolderErrors.From(Url, $"writing {key}", errno);
                }
            }

            _directories.Sync(directory, folder);
            return etag;
        }
    }

    /// <summary>The version that the file will be; its time lies after that of the one it replaces even if a clock stood still or went back.</summary>
    private ETag RaiseVersion(FolderTemporary temporary, FolderFile? current)
    {
        // Two seconds is the coarsest step of any file system's clock.
        foreach (var stepNanoseconds in (ReadOnlySpan<long>)[1, 2_000_000_000])
        {
            var version = FolderFile.TryStat(temporary.File, "", out var errno) ?? throw FolderErrors.From(Url, "looking at a file", errno);
            if (current is not { } old || version.ModifiedNanoseconds > old.ModifiedNanoseconds)
            {
                return version.ETag;
            }

            temporary.SetModified(old.ModifiedNanoseconds + stepNanoseconds);
            temporary.Sync();
        }

        return FolderFile.TryStat(temporary.File, "", out _)!.Value.ETag;
    }

    private void Delete(ObjectKey key, FolderCall call)
    {
        var (folder, name) = Split(key);
        using var directory = folder.Length == 0
            ? null
            : Interop.openat(_root, folder, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
        if (directory is { IsInvalid: true })
        {
            var errno = Marshal.GetLastPInvokeError();
            if (!IsAbsence(errno))
            {
                throw FolderErrors.From(Url, $"deleting {key}", errno);
            }

            return;
        }

        using (FolderLock.Take(Url, _lockFolder, key))
        {
            // A call that was left behind while it waited must not delete what has come since.
            call.MovesOn();
            if (Interop.unlinkat(directory ?? _root, name, 0) != 0 && Marshal.GetLastPInvokeError() is var errno and not Errno.EISDIR && !IsAbsence(errno))
            {
                throw FolderErrors.From(Url, $"deleting {key}", errno);
            }
        }
    }

    private ObjectStoreException PreconditionFailed(ObjectKey key, PutCondition condition) => new(
        ObjectStoreErrorKind.PreconditionFailed,
        $"store {Url}: {key} {(condition.MustBeAbsent ? "exists already" : "was changed or removed by somebody else")}");
}
