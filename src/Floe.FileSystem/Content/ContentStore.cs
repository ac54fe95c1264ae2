using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Content;

/// <summary>
/// The contents of a mount's files: owns the local cache, the transfers and their limits. One for each mount.
/// </summary>
public sealed partial class ContentStore : IAsyncDisposable
{
    /// <summary>Closed files whose clean bytes stay for the next opening: each costs some 3 KiB of memory.</summary>
    private const int MaxParked = 4096;

    /// <summary>Failures beyond so many are counted and not named: when a service fails, it fails for every file.</summary>
    private const int MaxNamed = 20;

    private const string KeptFolder = "kept";

    private readonly IBucketService _buckets;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly HashSet<FileContent> _contents = [];
    private readonly Dictionary<ObjectVersion, LinkedListNode<(ObjectVersion Version, FileContent Content)>> _parked = [];
    private readonly LinkedList<(ObjectVersion Version, FileContent Content)> _parkedLongestFirst = [];
    private readonly OwnFolder _folder;
    private long _tick;
    private int _failuresTold;
    private int _isNotRenewedTold;

    public ContentStore(IBucketService buckets, ContentStoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        _buckets = buckets;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Floe.FileSystem");
        Options = options;
        Time = timeProvider ?? TimeProvider.System;
        _folder = OwnFolder.Make(options.CacheFolder);
        LocalFiles = LocalFiles.In(_folder, options.MaxOpenLocalFiles ?? LocalFiles.MaxOpen);
        Space = new CacheSpace(options.MaxCacheBytes ?? new DriveInfo(options.CacheFolder).AvailableFreeSpace / 5 * 4, Time)
        {
            Evict = bytes => Evict(bytes, waits: false),
            EvictPatiently = bytes => Evict(bytes, waits: true),
            Relieve = Relieve,
        };
        Streams = new StreamMemory(options.MaxStreamBytes);
        PartMemory = new PartMemory(options.MaxPartMemoryBytes);
        ReadsPastCache = new SemaphoreSlim(options.MaxDownloads);
        _uploadSlots = new SemaphoreSlim(options.MaxUploads);
        _smallSlots = new SemaphoreSlim(Math.Max(options.MaxUploads, MaxSmallBodies));
    }

    /// <summary>All that lies directly in a cache folder; a # stands for a hexadecimal digit.</summary>
    public static IReadOnlyList<string> FolderNames { get; } = [OwnFolder.Names, KeptFolder];

    /// <summary>Makes a cache folder as a store would. It stays.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void MakeFolder(string cacheFolder) => OwnFolder.MakeCacheFolder(cacheFolder);

    /// <summary>Bytes free for new data: for statfs.</summary>
    public long FreeCacheBytes
    {
        get
        {
            lock (_lock)
            {
                return Math.Max(0, Space.MaxBytes - Space.UsedBytes + _parkedLongestFirst.Sum(p => p.Content.CachedBytes));
            }
        }
    }

    internal ContentStoreOptions Options { get; }

    internal TimeProvider Time { get; }

    internal CacheSpace Space { get; }

    internal StreamMemory Streams { get; }

    /// <summary>Reading ahead of one reader never pushes out what another has just fetched.</summary>
    internal long MaxReadAheadBytes => Math.Min(Options.MaxReadAheadBytes, Space.MaxBytes / 4);

    internal CancellationToken Stopping => _stop.Token;

    /// <summary>The content of an object of the bucket; nothing is fetched yet. What is written to it goes to the target.</summary>
    public FileContent Open(ObjectVersion version, ContentTarget target)
    {
        lock (_lock)
        {
            if (_parked.Remove(version, out var parked))
            {
                _parkedLongestFirst.Remove(parked);
                parked.Value.Content.Remember(target);
                return parked.Value.Content;
            }

            var content = new FileContent(this, target, version, version.ETag);
            _contents.Add(content);
            return content;
        }
    }

    /// <summary>A new, empty file. <paramref name="replaces"/>: the object that it may overwrite; null: there must be none when it is published.</summary>
    public FileContent Create(ContentTarget target, ObjectVersion? replaces = null)
    {
        var content = new FileContent(this, target, null, replaces?.ETag);
        Track(content);
        return content;
    }

    /// <summary>
    /// Waits until everything whose writers are closed is in the bucket, and says what is not: empty is success.
    /// With <paramref name="includingOpen"/> open files are published as they are.
    /// </summary>
    public async Task<IReadOnlyList<ContentFailure>> DrainAsync(bool includingOpen, CancellationToken cancellationToken)
    {
        LetGo();
        foreach (var content in Contents())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (includingOpen && content.IsDirty && content.IsOpen)
            {
                try
                {
                    await content.SyncAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (ContentException)
                {
                    // Told below.
                }
            }
            else
            {
                content.PublishInBackground();
            }
        }

        List<ContentFailure> failures = [];
        foreach (var content in Contents())
        {
            await content.SettleAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            if (content is { IsDirty: true, Failure: { } error, Target: { } target })
            {
                var told = content.DescribeAway() is { } away ? new ContentException(error.Kind, $"{error.Message}; {away}", error) : error;
                failures.Add(new ContentFailure(target, content.LocalPath is { } path ? KeptPath(path, target) : "", told));
            }
        }

        await Task.WhenAll(_aborts.Values).WaitAsync(cancellationToken).ConfigureAwait(false);
        return failures;
    }

    /// <summary>
    /// Stops what is under way and aborts unfinished uploads, but for those that alone have some of the bytes. Local data that the bucket has not
    /// stays in the cache folder's subfolder "kept", and is named in the log.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        Streams.Dispose();
        var kept = 0;
        foreach (var content in Contents())
        {
            await content.SettleAsync().ConfigureAwait(false);
            var away = content.IsDirty ? content.DescribeAway() : null;
            if (content.TakeSession() is { } session && away is null)
            {
                Abandon(session);
            }

            var isKept = content.IsDirty && content.LocalPath is not null && !_handedOver.IsCancellationRequested;
            var (path, target) = (content.LocalPath, content.Target);
            content.Drop(isKept);
            if (isKept)
            {
                Keep(path!, target!, $"{content.Failure?.Message ?? "the mount ended first"}{(away is null ? "" : $"; {away}")}", isNamed: away is not null || kept < MaxNamed);
                kept++;
            }
        }

        if (kept > MaxNamed)
        {
            LogMoreKept(kept, Path.Combine(Options.CacheFolder, KeptFolder));
        }

        await Task.WhenAll(_aborts.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _folder.Dispose();
    }

    internal IBucketClient Client(string bucket) => _buckets.Open(bucket);

    internal LocalFiles LocalFiles { get; }

    /// <summary>A file of the cache folder without a name, for what is too much for memory.</summary>
    /// <exception cref="ContentException">The disk has none to give.</exception>
    internal SafeFileHandle OpenUnnamed() => LocalFiles.TryOpenUnnamed()
        ?? throw new ContentException(ContentErrorKind.LocalDisk, $"{Options.CacheFolder}: no file can be made there");

    internal long Tick() => Interlocked.Increment(ref _tick);

    internal void Track(FileContent content)
    {
        lock (_lock)
        {
            _contents.Add(content);
        }
    }

    /// <summary>A content that nobody has in hand any more goes, or stays for its clean bytes.</summary>
    internal void Settle(FileContent content)
    {
        var dropped = content;
        lock (_lock)
        {
            if (!content.IsForgotten || content.IsOpen || content.IsDirty || !_contents.Contains(content))
            {
                return;
            }

            var version = content.Version;
            var same = version is null ? null : _parked.GetValueOrDefault(version);
            if (version is not null && same is null && content is { CachedBytes: > 0, Target: not null })
            {
                _parked.Add(version, _parkedLongestFirst.AddLast((version, content)));
                if (_parked.Count <= MaxParked)
                {
                    return;
                }

                (var oldest, dropped) = _parkedLongestFirst.First!.Value;
                _parkedLongestFirst.RemoveFirst();
                _parked.Remove(oldest);
            }
            else if (same?.Value.Content == content)
            {
                return;
            }

            // From now on: it is no file's that somebody may close yet, and its room is not there before the local file is gone.
            Space.BeginTransfer();
            _contents.Remove(dropped);
        }

        try
        {
            dropped.Drop(keepsFile: false);
        }
        finally
        {
            Space.EndTransfer();
        }
    }

    internal void NoteFailure(FileContent content, ContentException error)
    {
        if (content.Told == error.Message)
        {
            return;
        }

        content.Told = error.Message;
        switch (Interlocked.Increment(ref _failuresTold))
        {
            case <= MaxNamed:
                LogNotPublished(content.Target?.ToString() ?? "a removed file", error.Message, content.LocalPath ?? "nowhere");
                break;
            case MaxNamed + 1:
                LogMoreNotPublished();
                break;
        }
    }

    /// <summary>Told once: a service that does not copy does so for no file.</summary>
    internal void NoteNotRenewed(ContentTarget target, Exception error)
    {
        if (Interlocked.Exchange(ref _isNotRenewedTold, 1) == 0)
        {
            LogNotRenewed(target.ToString(), error.Message);
        }
    }

    internal void NotePublishedEarly(ContentTarget target) => LogPublishedEarly(target.ToString());

    /// <summary>What nobody foresaw while bytes were fetched: whoever waits for them is told, and must not wait for ever.</summary>
    internal ContentException Unforeseen(FileContent content, Exception error)
    {
        LogNotFetched(content.Target?.ToString() ?? "a removed file", error);
        return new ContentException(ContentErrorKind.LocalDisk, $"{content.Target}: {error.Message}", error);
    }

    private List<FileContent> Contents()
    {
        lock (_lock)
        {
            return [.. _contents];
        }
    }

    private long Evict(long bytes, bool waits)
    {
        long freed = 0;
        foreach (var content in Contents().Where(c => c.CachedBytes > 0).OrderBy(c => c.LastUsed))
        {
            freed += content.Evict(bytes - freed, waits);
            if (freed >= bytes)
            {
                break;
            }
        }

        return freed;
    }

    private void Keep(string path, ContentTarget target, string reason, bool isNamed)
    {
        var kept = KeptPath(path, target);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
            File.Move(path, kept, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            (kept, isNamed) = (OwnFolder.Keep(path), true);
        }

        if (isNamed)
        {
            LogKept(target.ToString(), reason, kept);
        }
    }

    /// <summary>Where a local file will lie that outlives the store.</summary>
    private string KeptPath(string path, ContentTarget target)
    {
        var name = string.Concat(target.ToString()[5..].Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '_'));
        return Path.Combine(Options.CacheFolder, KeptFolder, $"{Path.GetFileNameWithoutExtension(path)}-{(name.Length > 180 ? name[^180..] : name)}");
    }

    [LoggerMessage(1301, LogLevel.Error, "{Target} is not in the bucket: {Reason}; its bytes are in {Path}")]
    private partial void LogNotPublished(string target, string reason, string path);

    [LoggerMessage(1302, LogLevel.Error, "{Target} did not reach the bucket ({Reason}); what was written is kept in {Path}")]
    private partial void LogKept(string target, string reason, string path);

    [LoggerMessage(1306, LogLevel.Error, "More files are not in the bucket; they are counted at the end")]
    private partial void LogMoreNotPublished();

    [LoggerMessage(1307, LogLevel.Error, "{Count} files in all did not reach the bucket; what was written of each is kept in {Folder}, under a name that ends as its key does")]
    private partial void LogMoreKept(int count, string folder);

    [LoggerMessage(1308, LogLevel.Warning, "{Target} is in the bucket, but with the mode, owner and time that it had when its upload began: {Reason}; more such files are not named")]
    private partial void LogNotRenewed(string target, string reason);

    [LoggerMessage(1304, LogLevel.Error, "{Target} could not be read")]
    private partial void LogNotFetched(string target, Exception error);

    [LoggerMessage(1305, LogLevel.Warning, "{Target} goes to the bucket before it is complete: what is wanted of it now is only in its unfinished upload, since the cache had no room for it (then raise FUSION_CACHE_SIZE) or the task has moved since")]
    private partial void LogPublishedEarly(string target);
}

/// <summary>A file that is not in the bucket though its writers are done. <paramref name="LocalPath"/>: where its bytes are when the store is disposed of.</summary>
public sealed record ContentFailure(ContentTarget Target, string LocalPath, ContentException Error);
