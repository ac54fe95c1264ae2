using Floe.FileSystem.Content;
using Floe.FileSystem.Operations;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Serving;

/// <summary>
/// A mounted object-store file system: the tree, its contents and the FUSE server. Nothing in the process that serves it may touch a path below it.
/// </summary>
public sealed partial class FileSystemMount : IAsyncDisposable
{
    /// <summary>A mount that is gone ends at once, unless others have copies of it: those may be there for ever.</summary>
    private static readonly TimeSpan s_copyPatience = TimeSpan.FromSeconds(1);

    private readonly FuseServer _server;
    private readonly ILogger _logger;

    private FileSystemMount(FuseServer server, ObjectFileSystem files, ContentStore contents, ILogger logger)
    {
        _server = server;
        _logger = logger;
        Files = files;
        Contents = contents;
    }

    public string Directory => _server.Directory;

    public ObjectFileSystem Files { get; }

    public ContentStore Contents { get; }

    /// <summary>Whether the kernel reads files that are whole in the cache by itself (Linux 6.9, and the cache not on overlayfs).</summary>
    public bool MayPassThrough => _server.MayPassThrough;

    /// <summary>
    /// Set while the processes that use the mount are being stopped for a snapshot: those that wait in fsync, or for room in the cache, are let go. So
    /// is the kernel, which writes mapped pages for nobody who could be told from others.
    /// </summary>
    public bool IsBeingFrozen
    {
        get => _server.ReleasesTraced;
        set
        {
            _server.ReleasesTraced = value;
            Contents.IsBeingFrozen = value;
        }
    }

    /// <summary>Ends when the mount is gone, whoever unmounted it. Uploads may still be under way: see <see cref="ObjectFileSystem.DrainAsync"/>.</summary>
    public Task Ended => _server.Ended;

    /// <summary>Mounts on an existing folder, given by its absolute path.</summary>
    /// <param name="buckets">Borrowed for the life of the mount.</param>
    public static FileSystemMount Start(
        string directory, IBucketService buckets, FileSystemOptions options, ContentStoreOptions contentOptions, ILoggerFactory log, TimeProvider time,
        FuseServerOptions? fuseOptions = null)
    {
        var logger = log.CreateLogger("Floe.FileSystem");
        var contents = new ContentStore(buckets, contentOptions, log, time);
        var files = new ObjectFileSystem(buckets, contents, options, time, logger);
        return Start(directory, files, contents, logger, time, fuseOptions);
    }

    /// <summary>Mounts a tree that is there already, such as one that came with a snapshot.</summary>
    public static FileSystemMount Start(
        string directory, ObjectFileSystem files, ContentStore contents, ILogger logger, TimeProvider time, FuseServerOptions? fuseOptions = null)
    {
        var adapter = new FuseAdapter(files, time);
        var fuse = fuseOptions ?? new FuseServerOptions();
        var server = FuseServer.Mount(
            directory, adapter, fuse with { MayPassThrough = fuse.MayPassThrough && contents.LocalFiles.SeesMappings(), OpenSpill = contents.LocalFiles.TryOpenUnnamed }, time, logger);
        // Tried now, and not under the first file's lock.
        _ = contents.LocalFiles.TellsMappedWrites;
        adapter.Serve(server);
        _ = new NameTrimmer(files, server, time).RunAsync();
        return new FileSystemMount(server, files, contents, logger);
    }

    /// <summary>
    /// Takes the mount away and brings everything to the bucket; gives what could not be. Files that are still open are written as they are, and
    /// their holders get errors before the first of them goes up: what a write was told to be written is in the bucket or among the failures.
    /// </summary>
    public async Task<IReadOnlyList<ContentFailure>> UnmountAsync(CancellationToken cancellationToken)
    {
        if (_server.IsSeen)
        {
            try
            {
                // First: pages that a copy of the mount has, in another mount namespace, cannot be asked for when it is not seen here any more.
                // What fills the cache goes up afterwards: until then they have their room past its limit.
                Contents.IsBeingFrozen = true;
                await SyncPagesAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (LinuxException)
            {
                // A page that cannot be taken in goes with its holder's mapping, as a page does that nobody has synced.
            }
            finally
            {
                Contents.IsBeingFrozen = false;
            }
        }
        else if (!_server.Ended.IsCompleted && Files.Mappable().Count > 0)
        {
            LogPagesOutOfReach(Directory);
        }

        if (_server.TryUnmount(isLazy: false))
        {
            await _server.Ended.WaitAsync(s_copyPatience, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        await _server.DisposeAsync().ConfigureAwait(false);
        return await Files.DrainAsync(includingOpen: true, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Takes in what was written through mappings and is in the kernel's pages still. Nobody may write through one meanwhile, or what they write may be left.
    /// </summary>
    /// <exception cref="LinuxException">Not all of it could be. On a full disk, with <see cref="IsBeingFrozen"/>, the pages wait on for as long as a write would.</exception>
    public async Task SyncPagesAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(Contents.WatchDisk(), cancellationToken);
        // On a thread of its own: the kernel asks this very process to take the pages.
        var syncing = Task.Factory.StartNew(() => MappedPages.Sync(Directory, Files.Mappable()), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await syncing.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!syncing.IsCompleted)
        {
            _ = syncing.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            cancellationToken.ThrowIfCancellationRequested();
            throw new LinuxException("taking in what was written through mappings, on the disk of the cache", Errno.ENOSPC);
        }

        await syncing.ConfigureAwait(false);
    }

    /// <summary>Ends at once: what is not in the bucket is not waited for.</summary>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync().ConfigureAwait(false);
        await Contents.DisposeAsync().ConfigureAwait(false);
    }

    [LoggerMessage(3121, LogLevel.Warning,
        "The mount on {Directory} is not seen there any more, and files of it are open for reading and writing: what was written to them through mappings since the last msync or fsync may be lost")]
    private partial void LogPagesOutOfReach(string directory);
}
