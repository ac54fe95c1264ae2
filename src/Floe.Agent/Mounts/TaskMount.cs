using Floe.Agent.Files;
using Floe.Agent.Stdio;
using Floe.Agent.Snapshots;
using Floe.Agent.WorkFolders;
using Floe.FileSystem;
using Floe.FileSystem.Content;
using Floe.FileSystem.Moving;
using Floe.FileSystem.Operations;
using Floe.FileSystem.Serving;
using Floe.Linux;
using Floe.S3.Buckets;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Mounts;

/// <summary>
/// The task's object-store file system, served by the agent. It is brought up before the task runs (with the state of a snapshot, if there is one),
/// its state goes into every snapshot, and the end of the task waits for its uploads. Nothing else of the agent touches a path below it.
/// </summary>
internal sealed partial class TaskMount : IAsyncDisposable
{
    // Who waits has a task to end that may run elsewhere by now, or a lease to give back.
    private static readonly TimeSpan s_handOverPatience = TimeSpan.FromSeconds(5);

    public const string StateStream = "filesystem/state";
    private const string ContentStream = "filesystem/content";
    private const string WorkStream = "filesystem/work";

    private readonly MountRequest _request;
    private readonly IBucketService _buckets;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly WorkFolder? _work;
    private FileSystemMount? _mount;

    // The task can go on from a snapshot, whatever becomes of it here.
    private volatile bool _hasSnapshot;
    private bool _isFinishing;

    public TaskMount(MountRequest request, IBucketService buckets, ILoggerFactory loggers, TimeProvider time)
    {
        _request = request;
        _buckets = buckets;
        _loggers = loggers;
        _logger = loggers.CreateLogger<TaskMount>();
        _time = time;
        _work = request.Work is { } work ? new WorkFolder(buckets.Open(work.Bucket), work, _logger) : null;
        Directory.CreateDirectory(request.Directory);
    }

    /// <summary>The folder that the task has to itself; null: none is known.</summary>
    public WorkFolder? Work => _work;

    /// <summary>The file that gets a copy of the task's output; null: none is wanted. To be asked for once the mount is up.</summary>
    /// <param name="goesOn">The task was restored, and so was the file.</param>
    /// <exception cref="FloeException">The file cannot be made.</exception>
    public async Task<IOutputCopy?> OpenOutputCopyAsync(bool goesOn, CancellationToken cancellationToken)
    {
        if (_request is not { OutputCopy: { } name, Work: { } work })
        {
            return null;
        }

        try
        {
            if (!goesOn)
            {
                await _buckets.Open(work.Bucket).DeleteAsync([work.Prefix + name], cancellationToken).ConfigureAwait(false);
            }

            return new MountedOutput(await OpenAppenderAsync(PathOf(work) + name, cancellationToken).ConfigureAwait(false), _logger);
        }
        catch (Exception e) when (e is Fuse.FuseException or ContentException or S3.ObjectStoreException)
        {
            throw new FloeException(ExitCodes.StoreError, $"{work}{name} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Mounts for a task that starts, in place of what a failed restore may have left.</summary>
    /// <exception cref="FloeException">This machine has no FUSE, or gives no right to it.</exception>
    public async Task StartAsync()
    {
        await TakeDownAsync().ConfigureAwait(false);
        var (files, contents) = NewTree();
        Mount(files, contents);
    }

    /// <summary>
    /// Mounts with the state that a snapshot carries, so that the restored task finds every file as it left it. Nothing of it goes to the bucket before
    /// <see cref="EndRestore"/>: a restore that fails, or is killed, leaves the snapshot one that another machine can restore.
    /// </summary>
    /// <exception cref="MountStateException">The state is damaged, or what it refers to is gone from the bucket.</exception>
    public async Task RestoreAsync(ISnapshotSource snapshot, CancellationToken cancellationToken)
    {
        await TakeDownAsync().ConfigureAwait(false);
        var stream = snapshot.TryGetStream(StateStream)
            ?? throw new MountStateException("the snapshot was taken without --mount; resume it without") { IsOfThisMount = true };
        if (stream.ByteCount > MountState.MaxBytes)
        {
            throw new MountStateException($"the snapshot's file system state of {stream.ByteCount} bytes is larger than any this Floe writes");
        }

        var state = MountState.Parse(await StoredBytes.ReadAsync(snapshot, stream, cancellationToken).ConfigureAwait(false));
        await RevertWorkAsync(snapshot, state, cancellationToken).ConfigureAwait(false);
        var (files, contents) = NewTree();
        var isMounted = false;
        contents.BeginRestore();
        try
        {
            var carried = files.Import(state);
            if (snapshot.TryGetStream(ContentStream) is { } content)
            {
                await snapshot.ReadStreamsAsync([content], new Carrier(carried), cancellationToken).ConfigureAwait(false);
            }

            if (!carried.IsComplete)
            {
                throw new MountStateException("the snapshot holds fewer bytes of files than its file system state says");
            }

            await files.AttachAsync(state, cancellationToken).ConfigureAwait(false);
            files.IsBeingRestored = true;
            Mount(files, contents);
            isMounted = _hasSnapshot = true;
        }
        finally
        {
            if (!isMounted)
            {
                contents.HandOver();
                await contents.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>CRIU has restored all of the task, which is about to run on.</summary>
    /// <param name="holdsBack">As <see cref="HoldBack"/>: should it crash at once, its snapshot is to be restored elsewhere.</param>
    public void EndRestore(bool holdsBack)
    {
        if (_mount is { } mount)
        {
            mount.Files.IsBeingRestored = false;
            mount.Contents.EndRestore(holdsBack);
        }
    }

    /// <summary>While it is not clear that the task need not go back to its last snapshot: objects that this rests on are not replaced in the background.</summary>
    public void HoldBack()
    {
        if (_hasSnapshot)
        {
            _mount?.Contents.HoldBack();
        }
    }

    /// <summary>The end of <see cref="HoldBack"/>.</summary>
    public void LetGo() => _mount?.Contents.LetGo();

    /// <summary>
    /// Opens a file of the mount for the agent's own output, such as a task's log: append-only, in memory, not through the kernel. It travels with
    /// every snapshot as the task's open files do; on the next machine, after <see cref="RestoreAsync"/>, open it again and go on appending.
    /// The task must not write the same file.
    /// </summary>
    /// <param name="path">Absolute, below the mount; its folder must be there.</param>
    /// <exception cref="FloeException">The path is not below the mount.</exception>
    /// <exception cref="Fuse.FuseException">There is no such folder, or a folder has the name.</exception>
    public Task<FileAppender> OpenAppenderAsync(string path, CancellationToken cancellationToken)
    {
        const uint ReadableByAll = 0x1A4; // 0644
        var below = Path.GetRelativePath(_request.Directory, path);
        return below == "." || below.StartsWith("..", StringComparison.Ordinal) || Path.IsPathRooted(below)
            ? throw new FloeException(ExitCodes.Usage, $"'{path}' is not below the mount {_request.Directory}")
            : _mount!.Files.OpenAppenderAsync(below, ReadableByAll, cancellationToken);
    }

    /// <summary>With every process of the task standing still: puts the mount's state into a snapshot. Uploads stand still until <see cref="Resume"/>.</summary>
    public async Task CaptureAsync(ISnapshotContent content, bool taskRunsOn, CancellationToken cancellationToken)
    {
        var mount = _mount!;
        // What the task wrote through mappings is in the kernel's pages still.
        await mount.SyncPagesAsync(cancellationToken).ConfigureAwait(false);
        var captured = await mount.Files.CaptureAsync(taskRunsOn, cancellationToken).ConfigureAwait(false);
        // Nothing is written to the bucket until the task runs on, so the folder stands still too.
        var listing = _work?.ListAsync(cancellationToken);
        await Task.Run(() => Write(content, captured, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (listing is not null)
        {
            var bytes = MountLimits.Checked((await listing.ConfigureAwait(false)).ToBytes(), WorkListing.MaxBytes, "the listing of the work folder");
            await Task.Run(() => StoredBytes.Write(content, WorkStream, bytes), cancellationToken).ConfigureAwait(false);
        }

        LogCaptured(captured.State.Nodes.Count, captured.ByteCount >> 20);
    }

    /// <summary>The task runs on here.</summary>
    /// <param name="isDropped">The snapshot was not committed, for certain.</param>
    public void Resume(bool isDropped)
    {
        _hasSnapshot |= !isDropped;
        _mount?.Files.Resume(isDropped);
    }

    /// <summary>With the task's snapshots removed: removes what was left in the bucket for their sake alone. Never throws.</summary>
    public Task RemoveLeftAsync() => _mount?.Contents.AbortLeftAsync() ?? Task.CompletedTask;

    /// <summary>
    /// The task is another machine's from now on: nothing more goes to the bucket, nothing is aborted, and nothing is kept here. To be called before
    /// its processes are ended, since their end closes their files. What is being made an object in this moment is waited for, but not for long: never throws.
    /// </summary>
    public async Task HandOverAsync()
    {
        if (_mount is { } mount)
        {
            mount.Contents.HandOver();
            using var limit = new CancellationTokenSource(s_handOverPatience, _time);
            await mount.Contents.PauseAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// The task has ended here without a result. Where it has a snapshot, that is what goes on: the files that it rests on stay, as at
    /// <see cref="HandOverAsync"/>. Where it has none, what was written may be of use to somebody yet.
    /// </summary>
    public Task LeaveAsync() => _hasSnapshot && !_isFinishing ? HandOverAsync() : Task.CompletedTask;

    /// <summary>While the task is being stopped, and not after: what waits for an upload must not keep it from standing still.</summary>
    public void SetBeingFrozen(bool isBeingFrozen)
    {
        if (_mount is { } mount)
        {
            mount.IsBeingFrozen = isBeingFrozen;
        }
    }

    /// <summary>After the task's end: everything to the bucket. False: something is not there; it was logged and is kept on this machine.</summary>
    /// <param name="lost">The task is another machine's from then on, as at <see cref="HandOverAsync"/>.</param>
    /// <exception cref="OperationCanceledException">Also where it was lost: then nothing more goes up.</exception>
    public async Task<bool> FinishAsync(CancellationToken lost, CancellationToken cancellationToken)
    {
        _isFinishing = true;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(lost, cancellationToken);
        try
        {
            var failures = await _mount!.UnmountAsync(either.Token).ConfigureAwait(false);
            if (lost.IsCancellationRequested)
            {
                await HandOverAsync().ConfigureAwait(false);
            }

            return failures.Count == 0;
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
            await HandOverAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await TakeDownAsync().ConfigureAwait(false);
        await _buckets.DisposeAsync().ConfigureAwait(false);
        try
        {
            if (_request.RemovesCacheFolder)
            {
                Directory.Delete(_request.Contents.CacheFolder);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What could not be uploaded is kept there, another mount uses it, or it is for others to remove.
        }
    }

    private static void Write(ISnapshotContent content, CapturedMount captured, CancellationToken cancellationToken)
    {
        StoredBytes.Write(content, StateStream, MountLimits.Checked(captured.State.ToBytes(), MountState.MaxBytes, "the mount's state"));
        using var sink = content.CreateSink();
        sink.BeginSegment(content.AddStream(ContentStream), 0);
        captured.Read(sink.Append, cancellationToken);
        sink.EndSegment();
    }

    /// <summary>Where the mount shows a folder of a bucket, with a slash at its end.</summary>
    private string PathOf(BucketFolder folder) => _request.Files.Root is { } root
        ? $"{_request.Directory}/{folder.Prefix[root.Prefix.Length..]}" : $"{_request.Directory}/s3/{folder.Bucket}/{folder.Prefix}";

    /// <summary>What a machine that died wrote to the work folder after this snapshot is not to be met by the restored task.</summary>
    private async Task RevertWorkAsync(ISnapshotSource snapshot, MountState state, CancellationToken cancellationToken)
    {
        if (_work is null || snapshot.TryGetStream(WorkStream) is not { } stream)
        {
            return;
        }

        if (stream.ByteCount > WorkListing.MaxBytes)
        {
            throw new MountStateException($"the snapshot's listing of the work folder of {stream.ByteCount} bytes is larger than any this Floe writes");
        }

        var bytes = await StoredBytes.ReadAsync(snapshot, stream, cancellationToken).ConfigureAwait(false);
        var carried = state.Nodes.Where(n => n.Content?.Bucket == _request.Work!.Bucket).Select(n => n.Content!.Key)
            .Concat(state.Nodes.Where(n => n.Content?.Upload is not null).Select(n => n.Content!.Upload!.Key)).ToHashSet(StringComparer.Ordinal);
        try
        {
            await _work.RevertAsync(WorkListing.Parse(bytes), carried, cancellationToken).ConfigureAwait(false);
        }
        catch (WorkFolderException e)
        {
            throw new MountStateException(e.Message, e);
        }
    }

    private (ObjectFileSystem Files, ContentStore Contents) NewTree()
    {
        var contents = new ContentStore(_buckets, _request.Contents, _loggers, _time);
        return (new ObjectFileSystem(_buckets, contents, _request.Files, _time, _logger), contents);
    }

    private void Mount(ObjectFileSystem files, ContentStore contents)
    {
        try
        {
            _mount = FileSystemMount.Start(_request.Directory, files, contents, _logger, _time);
        }
        catch (Exception e) when (e is LinuxException or Fuse.FuseException)
        {
            throw new FloeException(ExitCodes.StoreError, $"--mount {_request.Directory}: {e.Message}; the container needs /dev/fuse and CAP_SYS_ADMIN (privileged)", e);
        }
    }

    /// <summary>
    /// Ends the mount, if there is one, with all that goes on in it: nothing more is written to the bucket. Where the task goes on from a snapshot nothing is
    /// kept or aborted either.
    /// </summary>
    public async Task TakeDownAsync()
    {
        await LeaveAsync().ConfigureAwait(false);
        if (_mount is { } mount)
        {
            (_mount, _hasSnapshot) = (null, false);
            await mount.DisposeAsync().ConfigureAwait(false);
        }
    }

    [LoggerMessage(EventId = 4700, Level = LogLevel.Information, Message = "Of the mount, {Nodes} files and {MiB} MiB that are not in the bucket travel along")]
    private partial void LogCaptured(int nodes, long miB);

    private sealed class Carrier(CarriedBytes carried) : IStreamConsumer
    {
        private static readonly byte[] s_zeros = new byte[BlockFormat.MaxBlockBytes];

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            carried.Add(data.Span);
            return ValueTask.CompletedTask;
        }

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            for (; byteCount > 0; byteCount -= s_zeros.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                carried.Add(s_zeros.AsSpan(0, (int)Math.Min(byteCount, s_zeros.Length)));
            }

            return ValueTask.CompletedTask;
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
