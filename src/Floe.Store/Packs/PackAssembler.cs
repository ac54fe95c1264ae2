using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Floe.Linux;
using Floe.S3;
using Floe.Store.Blocks;

namespace Floe.Store.Packs;

/// <summary>
/// Gathers the frames of all sinks of one writer into packs and sends full packs while others fill. A fixed number of buffers
/// is the memory budget and the back-pressure: a sink that finds none free waits. The first failed upload, or the caller's stop, breaks the assembler
/// for good; every later call throws that exception.
/// </summary>
internal sealed class PackAssembler : IAsyncDisposable
{
    private const int MaxNameConflicts = 8;

    // A plain object and not a Lock: sinks wait on it for a free buffer.
    private readonly object _gate = new();
    private readonly IObjectStore _objects;
    private readonly KnownBlocks _known;
    private readonly TimeProvider _time;
    private readonly Func<PackName> _nextName;
    private readonly TaskKey _task;
    private readonly int _packBytes;
    private readonly int _maxBuffers;
    private readonly Stack<PackBuffer> _free = new();
    private readonly List<PackBuffer> _all = [];
    private readonly HashSet<Task> _uploads = [];
    private readonly List<PackRecord> _durable = [];
    private readonly SemaphoreSlim _connections;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenRegistration _stopping;
    private PackBuffer? _current;
    private ExceptionDispatchInfo? _failure;
    private bool _disposed;
    private long _waitedTicks;
    private long _storedBytes;
    private long _uploadedBytes;
    private long _firstUpload;
    private long _lastDurable;

    public PackAssembler(IObjectStore objects, TaskKey task, KnownBlocks known, Func<PackName> nextName, int packBytes, int maxBuffers, TimeProvider time, CancellationToken stop)
    {
        _objects = objects;
        _task = task;
        _known = known;
        _nextName = nextName;
        _packBytes = packBytes;
        _maxBuffers = maxBuffers;
        _time = time;
        _connections = new SemaphoreSlim(Math.Max(1, objects.MaxConnections));
        _stopping = stop.UnsafeRegister(static (self, stop) => ((PackAssembler)self!).Break(new OperationCanceledException(stop)), this);
    }

    /// <summary>Bytes of frames in packs that are full, durable or not.</summary>
    public long StoredBytes => Interlocked.Read(ref _storedBytes);

    /// <summary>Bytes of durable packs.</summary>
    public long UploadedBytes => Interlocked.Read(ref _uploadedBytes);

    /// <summary>Time that sinks spent waiting for a buffer, summed over sinks.</summary>
    public TimeSpan Waited => _time.GetElapsedTime(0, Interlocked.Read(ref _waitedTicks));

    /// <summary>From the first upload's start to the last one's end.</summary>
    public TimeSpan UploadTime
    {
        get
        {
            lock (_gate)
            {
                return _lastDurable == 0 ? TimeSpan.Zero : _time.GetElapsedTime(_firstUpload, _lastDurable);
            }
        }
    }

    /// <summary>Packs of this writer that are durable.</summary>
    public IReadOnlyList<PackRecord> DurablePacks
    {
        get
        {
            lock (_gate)
            {
                return [.. _durable];
            }
        }
    }

    /// <summary>Copies a batch of frames into the current pack. Blocks while every buffer is being sent.</summary>
    public void Append(FrameBatch batch, ReadOnlySpan<byte> stored)
    {
        PackBuffer pack;
        int offset;
        lock (_gate)
        {
            while (true)
            {
                ThrowIfBroken();
                _current ??= TakeBuffer();
                if (_current is not null)
                {
                    offset = _current.Reserve(stored.Length, batch.Entries.Written, batch.Frames.Count);
                    if (offset >= 0)
                    {
                        break;
                    }

                    CloseCurrent();
                    continue;
                }

                var since = _time.GetTimestamp();
                Monitor.Wait(_gate);
                Interlocked.Add(ref _waitedTicks, _time.GetTimestamp() - since);
            }

            pack = _current;
            foreach (var (frame, blocks) in batch.Frames)
            {
                _known.Frames.Set(frame, pack.Record!.Index, blocks);
            }
        }

        stored.CopyTo(pack.Memory.Span[offset..]);
        lock (_gate)
        {
            pack.PendingCopies--;
            if (pack.IsClosed && pack.PendingCopies == 0)
            {
                StartUpload(pack);
            }
        }
    }

    /// <summary>Sends the pack being filled and returns when every pack is durable.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task[] uploads;
            lock (_gate)
            {
                ThrowIfBroken();
                if (_current is { IsEmpty: false })
                {
                    CloseCurrent();
                }

                uploads = [.. _uploads];
                if (uploads.Length == 0)
                {
                    return;
                }
            }

            await Task.WhenAll(uploads).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stops uploads, waits until none touches a buffer any more, and frees them; but for those of calls that hang, which go when those end.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] uploads;
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (_current is { PendingCopies: > 0 })
            {
                // A sink is copying into it right now: its memory may go only after that.
                CloseCurrent();
            }

            Monitor.PulseAll(_gate);
            uploads = [.. _uploads];
        }

        await _stopping.DisposeAsync().ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(uploads).ConfigureAwait(false);
        lock (_gate)
        {
            foreach (var buffer in _all)
            {
                if (buffer.StillRead is { } reading)
                {
                    _ = reading.ContinueWith(static (_, memory) => ((IDisposable)memory!).Dispose(), buffer.Memory, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                }
                else
                {
                    ((IDisposable)buffer.Memory).Dispose();
                }
            }
        }

        _stop.Dispose();
        _connections.Dispose();
    }

    private PackBuffer? TakeBuffer()
    {
        if (!_free.TryPop(out var buffer))
        {
            if (_all.Count == _maxBuffers)
            {
                return null;
            }

            buffer = new PackBuffer(new NativeBuffer(_packBytes));
            _all.Add(buffer);
        }

        buffer.Begin(_known.AddPack());
        return buffer;
    }

    private void CloseCurrent()
    {
        var pack = _current!;
        _current = null;
        pack.IsClosed = true;
        Interlocked.Add(ref _storedBytes, pack.Used);
        pack.Upload = new Task<Task>(() => UploadAsync(pack));
        var upload = pack.Upload.Unwrap();
        _uploads.Add(upload);
        _ = upload.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        if (pack.PendingCopies == 0)
        {
            StartUpload(pack);
        }
    }

    private void StartUpload(PackBuffer pack)
    {
        if (_firstUpload == 0)
        {
            _firstUpload = _time.GetTimestamp();
        }

        pack.Upload!.Start(TaskScheduler.Default);
    }

    private void Forget(Task upload)
    {
        lock (_gate)
        {
            _uploads.Remove(upload);
        }
    }

    /// <summary>Never throws: a failure is kept and breaks the assembler.</summary>
    private async Task UploadAsync(PackBuffer pack)
    {
        try
        {
            var content = pack.Complete();
            var sha256 = Convert.ToHexStringLower(SHA256.HashData(content.Span.Slice(pack.DirectoryOffset, pack.DirectoryLength)));
            var name = await PutAsync(content).ConfigureAwait(false);
            var reference = new PackReference(name.ToString(), content.Length, pack.DirectoryOffset, pack.DirectoryLength, sha256);
            Interlocked.Add(ref _uploadedBytes, content.Length);
            lock (_gate)
            {
                pack.Record!.BecomeDurable(reference);
                _durable.Add(pack.Record);
                _lastDurable = _time.GetTimestamp();
                _free.Push(pack);
                Monitor.PulseAll(_gate);
            }
        }
        catch (Exception failure)
        {
            pack.StillRead = (failure as ObjectStoreException)?.StillRunning;
            Break(failure);
        }
    }

    /// <summary>Nothing more can be written: who waits for a buffer learns it, and uploads end.</summary>
    private void Break(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= ExceptionDispatchInfo.Capture(failure);
            Monitor.PulseAll(_gate);
        }

        // On another thread: what it ends may be the caller's own upload.
        _ = _stop.CancelAsync();
    }

    private async Task<PackName> PutAsync(ReadOnlyMemory<byte> content)
    {
        await _connections.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            // A pack is never overwritten. A name that is taken can only be a leftover of a removed history: go on to the next.
            for (var attempt = 1; ; attempt++)
            {
                var name = _nextName();
                try
                {
                    await _objects.PutAsync(StoreLayout.Pack(_task, name), content, PutCondition.IfAbsent, _stop.Token).ConfigureAwait(false);
                    return name;
                }
                catch (ObjectStoreException taken) when (taken.Kind == ObjectStoreErrorKind.PreconditionFailed && attempt < MaxNameConflicts)
                {
                }
            }
        }
        finally
        {
            _connections.Release();
        }
    }

    private void ThrowIfBroken()
    {
        _failure?.Throw();
        ObjectDisposedException.ThrowIf(_disposed, this);
    }
}
