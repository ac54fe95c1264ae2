using System.Diagnostics.CodeAnalysis;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>
/// The bytes of one file of the mount, shared by all who have it open: an object of the bucket, pinned to one version, with what was written over it.
/// Offsets and sizes in bytes. Safe for concurrent use; a read that meets a write sees either. Every failure is a <see cref="ContentException"/>.
/// </summary>
/// <remarks>
/// Who holds what: <c>_gate</c> (asynchronous) is held by whatever changes bytes or length, and for a moment by a publication, so that what is
/// published is the file as it was at one instant. <c>_fill</c> is held while blocks change their place: shared by fetches, which never fill
/// the same block, alone for dropping and for claiming before a write.
/// <c>_lock</c> guards the fields, for moments only. Order: gate, fill, lock. Bytes of a block are written to the local file before the block is
/// called present, except by a writer, who calls it dirty first: dirty blocks are never dropped, and a reader may see either.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "Semaphores whose wait handle nobody asks for hold nothing to dispose of.")]
public sealed partial class FileContent
{
    private readonly ContentStore _store;
    private readonly Lock _lock = new();
    private readonly FillLock _fill = new();
    private readonly Lock _making = new();
    private readonly SemaphoreSlim _gate = new(1);
    private readonly BlockMap _blocks = new();

    private LocalFile? _local;
    private ContentTarget? _target;
    private ETag? _expected;
    private ObjectVersion? _base;

    // Bytes at and above this offset are not the object's, even where it has some: they were cut off.
    private long _baseLimit;
    private long _size;

    // Counts every change; what was published last was the content of change _published.
    private long _changes;
    private long _published;
    private int _readers;
    private int _writers;
    private int _pins;
    private long _pinnedBytes;
    private long _overdrawnBytes;
    private bool _isForgotten;

    internal FileContent(ContentStore store, ContentTarget target, ObjectVersion? version, ETag? expected)
    {
        _store = store;
        _target = target;
        _base = version;
        _expected = expected;
        _size = _baseLimit = version?.Size ?? 0;
        _changes = version is null ? 1 : 0;
        LastUsed = store.Tick();
    }

    /// <summary>Stands for this content where the content itself must not be held.</summary>
    public object Identity { get; } = new();

    public long Size
    {
        get
        {
            lock (_lock)
            {
                return _size;
            }
        }
    }

    /// <summary>The version in the bucket that this content rests on; null while there is none. What reads cannot mix with another.</summary>
    public ObjectVersion? Version
    {
        get
        {
            lock (_lock)
            {
                return _base;
            }
        }
    }

    /// <summary>Where the content goes; null once unlinked.</summary>
    public ContentTarget? Target
    {
        get
        {
            lock (_lock)
            {
                return _target ?? _leaving;
            }
        }
    }

    /// <summary>Whether there is something that the bucket's object does not have: bytes, a length, or the object itself.</summary>
    public bool IsDirty
    {
        get
        {
            lock (_lock)
            {
                return _changes != _published && (_target ?? _leaving) is not null;
            }
        }
    }

    /// <summary>Why the last publication failed; null since one succeeded, or while none was tried.</summary>
    public ContentException? Failure { get; private set; }

    /// <summary>The failure that was logged last.</summary>
    public string? Told { get; set; }

    /// <summary>Bytes held on the local disk.</summary>
    public long CachedBytes
    {
        get
        {
            lock (_lock)
            {
                return _blocks.PresentCount * BlockMap.BlockBytes;
            }
        }
    }

    /// <summary>Raised on any thread when the bucket has the content; <see cref="Version"/> is the new one.</summary>
    public event Action<FileContent>? Published;

    internal long LastUsed { get; private set; }

    internal string? LocalPath => _local?.Path;

    internal bool IsOpen
    {
        get
        {
            lock (_lock)
            {
                return _readers + _writers > 0;
            }
        }
    }

    internal bool IsForgotten
    {
        get
        {
            lock (_lock)
            {
                return _isForgotten;
            }
        }
    }

    /// <summary>Counts an open handle. While a writer is open nothing is published unless <see cref="SyncAsync"/> is called.</summary>
    public void Open(bool canRead, bool canWrite)
    {
        lock (_lock)
        {
            _readers += canRead ? 1 : 0;
            _writers += canWrite ? 1 : 0;
        }
    }

    /// <summary>The end of a handle. With the last writer the upload is finished in the background.</summary>
    public void Close(bool canRead, bool canWrite)
    {
        bool isRead, isWritten;
        lock (_lock)
        {
            _readers -= canRead ? 1 : 0;
            _writers -= canWrite ? 1 : 0;
            isRead = canRead && _readers == 0;
            isWritten = canWrite && _writers == 0;
        }

        if (isRead)
        {
            DropWritten();
        }

        if (isWritten)
        {
            PublishInBackground();
        }
    }

    /// <summary>
    /// The first byte at or after the offset that is data (SEEK_DATA) or a hole (SEEK_HOLE); null: none. With a writer about, everything is data:
    /// what was written through a mapping lies in the kernel's pages, which it does not hand over before it asks.
    /// </summary>
    public long? Seek(long offset, bool data)
    {
        lock (_lock)
        {
            if (_writers > 0)
            {
                return offset >= _size ? null : data ? offset : _size;
            }

            for (var at = offset; at < _size; at = (BlockMap.BlockOf(at) + 1) * BlockMap.BlockBytes)
            {
                var block = BlockMap.BlockOf(at);
                if (data == (_blocks.IsPresent(block) || _blocks.IsDirty(block) || at < _baseLimit))
                {
                    return at;
                }
            }

            return !data && offset < _size ? _size : null;
        }
    }

    /// <summary>
    /// For FUSE_PASSTHROUGH: the local file, if it is the file byte for byte and nobody writes it. It stays so until <see cref="UnpinLocalFile"/>,
    /// whatever is written meanwhile. Null also where too much of the cache is pinned already, and of a large file where only reading it could tell what was written through mappings. The use is for telling the kernel, which opens it for itself.
    /// </summary>
    internal LocalFile.Use? TryPinLocalFile()
    {
        using (_fill.Take())
        {
            lock (_lock)
            {
                if (_local is null || _size == 0 || (_size > _store.Options.MaxHashedFileBytes && !_store.LocalFiles.TellsMappedWrites) || _writers > 0 || _changes != _published || MissingIn(0, BlockMap.BlocksOf(_size)) || !_store.TryPin(_size))
                {
                    return null;
                }

                _pins++;
                _pinnedBytes += _size;
            }

            try
            {
                // Where others' use of it cannot be seen, its end could not be either.
                if (!_local.IsOursAlone())
                {
                    UnpinLocalFile();
                    return null;
                }

                // Zeros at the end need not have been written.
                if (_local.Length() != Size)
                {
                    _local.SetLength(Size);
                }

                return _local.Open();
            }
            catch (ContentException)
            {
                UnpinLocalFile();
                return null;
            }
        }
    }

    /// <summary>
    /// Of a pinned file that the kernel does not have any more: whether somebody still maps the local file. A mapping outlives the descriptor
    /// that it was made with, and nothing tells when it ends. True also where the file cannot be opened to find out.
    /// </summary>
    internal bool IsLocalFileMapped()
    {
        try
        {
            return !_local!.IsOursAlone();
        }
        catch (ContentException)
        {
            return true;
        }
    }

    /// <summary>The local file of a pinned content once more.</summary>
    internal LocalFile.Use OpenLocalFile() => _local!.Open();

    public void UnpinLocalFile()
    {
        lock (_lock)
        {
            _pins--;
            _store.Unpin(_pinnedBytes);
            _store.Space.Repay(_overdrawnBytes);
            _pinnedBytes = _overdrawnBytes = 0;
        }
    }

    /// <summary>The inode is forgotten. An upload under way is finished all the same; clean bytes stay cached for the next opening of this version.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _isForgotten = true;
        }

        PublishInBackground();
        _store.Settle(this);
    }

    /// <summary>Taken out of the cache again.</summary>
    internal void Remember(ContentTarget target)
    {
        lock (_lock)
        {
            _isForgotten = false;
            _target = target;
        }
    }

    /// <summary>The end: the local file goes, unless it holds what the bucket has not.</summary>
    internal void Drop(bool keepsFile)
    {
        DropWritten();
        if (TakeSession() is { } session)
        {
            _store.Abandon(session);
        }

        using (_fill.Take())
        {
            long held;
            lock (_lock)
            {
                held = _blocks.PresentCount * BlockMap.BlockBytes;
                _isDropped = true;
            }

            if (keepsFile)
            {
                _local?.Keep();
            }
            else
            {
                _local?.Dispose();
            }

            _store.Space.Release(held);
        }
    }

    private LocalFile Local()
    {
        if (Volatile.Read(ref _local) is { } there)
        {
            return there;
        }

        // Fetches that share the fill lock may want it at the same time.
        lock (_making)
        {
            ObjectDisposedException.ThrowIf(_isDropped, this);
            return _local ??= _store.LocalFiles.Create();
        }
    }
}
