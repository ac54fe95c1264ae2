namespace Floe.FileSystem.Content;

/// <summary>How much goes over the network at once, and standing still for a snapshot.</summary>
public sealed partial class ContentStore
{
    /// <summary>Bodies up to this size are many; larger ones cost memory.</summary>
    private const long SmallBodyBytes = 256 << 10;

    private const int MaxSmallBodies = 32;

    /// <summary>Closed files on their way, at some 6 KiB of memory each.</summary>
    private const int MaxBacklog = 4096;

    internal const int MaxLargeBodies = 5;

    /// <summary>× 8 MiB of memory at most.</summary>
    private readonly SemaphoreSlim _largeSlots = new(MaxLargeBodies);

    internal UploadBacklog Backlog { get; } = new(MaxBacklog);

    /// <summary>Returns when no more than four times as many files are on their way as are written to without waiting.</summary>
    internal Task HoldUpAsync(CancellationToken released, CancellationToken cancellationToken) => Backlog.WaitAsync(UploadBacklog.Patience, released, cancellationToken);

    /// <summary>Taken by who has an upload slot already.</summary>
    internal PartMemory PartMemory { get; }

    /// <summary>
    /// For parts that memory does not hold: one at a time has in the cache what it lacks, past the limit if need be, until it is sent. Never waited for in
    /// an upload slot. Who has it waits for the network only.
    /// </summary>
    internal SemaphoreSlim LargeParts { get; } = new(1);

    /// <summary>Readers whose own memory is being filled from the network.</summary>
    internal SemaphoreSlim ReadsPastCache { get; }

    private readonly SemaphoreSlim _smallSlots;
    private readonly SemaphoreSlim _uploadSlots;
    private CancellationTokenSource _pause = new();
    private TaskCompletionSource _resumed = Completed();
    private TaskCompletionSource _idle = Completed();
    private int _running;
    private int _readAheads;

    /// <summary>Two downloads are left for readers that wait.</summary>
    internal bool ReadAheadIsBusy => Volatile.Read(ref _readAheads) >= Math.Max(1, Options.MaxDownloads - 2);

    internal void BeginReadAhead() => Interlocked.Increment(ref _readAheads);

    internal void EndReadAhead() => Interlocked.Decrement(ref _readAheads);

    /// <summary>Runs one upload call in a slot, not before a pause is over; one that a pause broke off is run again afterwards.</summary>
    internal async Task<T> UploadAsync<T>(Func<CancellationToken, Task<T>> upload, CancellationToken cancellationToken)
    {
        while (true)
        {
            await _uploadSlots.WaitAsync(cancellationToken).ConfigureAwait(false);
            CancellationTokenSource? linked = null;
            var pause = CancellationToken.None;
            Task? resumed = null;
            lock (_lock)
            {
                if (!_resumed.Task.IsCompleted)
                {
                    resumed = _resumed.Task;
                }
                else
                {
                    pause = _pause.Token;
                    linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, pause);
                    if (_running++ == 0)
                    {
                        _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    }
                }
            }

            if (linked is null)
            {
                _uploadSlots.Release();
                await resumed!.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            try
            {
                return await upload(linked.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (pause.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
            }
            finally
            {
                linked.Dispose();
                _uploadSlots.Release();
                lock (_lock)
                {
                    if (--_running == 0)
                    {
                        _idle.TrySetResult();
                    }
                }
            }
        }
    }

    internal Task UploadAsync(Func<CancellationToken, Task> upload, CancellationToken cancellationToken) => UploadAsync(
        async token =>
        {
            await upload(token).ConfigureAwait(false);
            return true;
        },
        cancellationToken);

    /// <summary>Waits for the memory that a body of this size takes; tells which kind of slot it has.</summary>
    internal async Task<bool> EnterSmallAsync(long bytes, CancellationToken cancellationToken)
    {
        var isLarge = !FitsSmall(bytes, isLarge: false);
        await (isLarge ? _largeSlots : _smallSlots).WaitAsync(cancellationToken).ConfigureAwait(false);
        return isLarge;
    }

    /// <summary>Whether a body of this size may take a slot of this kind.</summary>
    internal static bool FitsSmall(long bytes, bool isLarge) => isLarge || bytes <= SmallBodyBytes;

    internal void LeaveSmall(bool isLarge) => (isLarge ? _largeSlots : _smallSlots).Release();

    /// <summary>Between <see cref="PauseAsync"/> and <see cref="Resume"/>.</summary>
    internal bool StandsStill => !Volatile.Read(ref _resumed).Task.IsCompleted;

    /// <summary>
    /// For a snapshot: no upload begins, parts on their way are broken off, and when this returns everything that was about to make an object
    /// has made it. Reads go on, but what the bucket has no object of is not dropped: who finds no space waits. <see cref="Resume"/> lets it all go on.
    /// </summary>
    public async Task PauseAsync(CancellationToken cancellationToken)
    {
        CancellationTokenSource pause;
        Task idle;
        lock (_lock)
        {
            if (!_resumed.Task.IsCompleted)
            {
                return;
            }

            _resumed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            (pause, idle) = (_pause, _running == 0 ? Task.CompletedTask : _idle.Task);
            Space.BeginTransfer();
        }

        await pause.CancelAsync().ConfigureAwait(false);
        await idle.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Also without a pause: uploads that are under way then are for the next one to break off.</summary>
    /// <param name="isDropped">Of a snapshot that came to nothing: none refers to what was captured.</param>
    public void Resume(bool isDropped = false)
    {
        EndCapture(isDropped);
        lock (_lock)
        {
            if (!_resumed.TrySetResult())
            {
                return;
            }

            _pause.Dispose();
            _pause = new CancellationTokenSource();
        }

        Space.EndTransfer();
    }

    private static TaskCompletionSource Completed()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }
}
