namespace Floe.S3.Folder;

/// <summary>
/// Runs file calls, which block a thread each, a few at a time, and knows how long they have stood still. A call into a file system that hangs (NFS whose server is
/// gone) cannot be ended. So nobody waits for it any more once it is to be stopped: it is left behind, with its thread and its slot, until the file system comes back.
/// </summary>
internal sealed class FolderCalls(StoreUrl store, int atOnce, TimeProvider time) : IDisposable
{
    /// <summary>
    /// A call that has not moved on for this long stands in a file system that hangs. Less would be wrong: a restarted NFS server keeps its clients waiting for 90 s
    /// (the grace period), and syncing a pack takes tens of seconds where the disk is slow or busy with what others wrote.
    /// </summary>
    public static readonly TimeSpan HangsAfter = TimeSpan.FromMinutes(2);

    /// <summary>What is to be stopped ends by itself within this time, after the system call that it is in.</summary>
    private static readonly TimeSpan s_endsWithin = TimeSpan.FromSeconds(5);

    // More at once than the device likes gains nothing.
    private readonly SemaphoreSlim _slots = new(atOnce);
    private readonly HashSet<FolderCall> _running = [];

    // When a call last ended; null: none has.
    private long? _answered;

    /// <inheritdoc cref="IObjectStore.FailingFor"/>
    public TimeSpan FailingFor
    {
        get
        {
            lock (_running)
            {
                // A folder that answers other calls does not hang, whatever one of them stands in: a long sync, or a lock that nobody gives back.
                var longest = _running.Count == 0 ? TimeSpan.Zero : _running.Max(call => call.StoodStillFor);
                var silent = _answered is { } at && time.GetElapsedTime(at) is var since && since < longest ? since : longest;
                return silent < HangsAfter ? TimeSpan.Zero : silent;
            }
        }
    }

    /// <param name="operation">Tells the call whenever it moves on.</param>
    /// <param name="canBeLeft">Not where it uses the caller's memory, but for what it gives (<see cref="FolderCall.Give"/>).</param>
    /// <exception cref="ObjectStoreException">Stopped, and did not end: <see cref="ObjectStoreException.StillRunning"/>.</exception>
    public async Task<T> RunAsync<T>(Func<FolderCall, T> operation, bool canBeLeft, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        var call = new FolderCall(time, cancellationToken);
        lock (_running)
        {
            _running.Add(call);
        }

        var work = Task.Run(() => Run(operation, call), CancellationToken.None);
        if (canBeLeft && cancellationToken.CanBeCanceled)
        {
            await Task.WhenAny(work, WhenCancelledAsync(work, cancellationToken)).ConfigureAwait(false);
            if (!work.IsCompleted)
            {
                call.Leave();
                throw new ObjectStoreException(
                    ObjectStoreErrorKind.Unavailable,
                    $"store {store}: the folder has not answered for {call.StoodStillFor.TotalSeconds:0} s; check the file system that it is on")
                {
                    StillRunning = work.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default),
                };
            }
        }

        return await work.ConfigureAwait(false);
    }

    public void Dispose() => _slots.Dispose();

    /// <summary>Ends some time after the cancellation, or with the work.</summary>
    private async Task WhenCancelledAsync(Task work, CancellationToken cancellationToken)
    {
        await work.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!work.IsCompleted)
        {
            await work.WaitAsync(s_endsWithin, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private T Run<T>(Func<FolderCall, T> operation, FolderCall call)
    {
        try
        {
            call.MovesOn();
            return operation(call);
        }
        finally
        {
            lock (_running)
            {
                _running.Remove(call);
                _answered = time.GetTimestamp();
            }

            try
            {
                _slots.Release();
            }
            catch (ObjectDisposedException)
            {
                // Left behind, and the store is closed.
            }
        }
    }
}

/// <summary>One call while it runs.</summary>
internal sealed class FolderCall(TimeProvider time, CancellationToken cancellationToken)
{
    private readonly Lock _giving = new();
    private long _moved = time.GetTimestamp();
    private bool _isLeft;

    public TimeSpan StoodStillFor => time.GetElapsedTime(Interlocked.Read(ref _moved));

    /// <summary>Between two system calls. Nothing more is to be done when it throws: the caller may have been told so.</summary>
    /// <exception cref="OperationCanceledException">It is to be stopped.</exception>
    public void MovesOn()
    {
        cancellationToken.ThrowIfCancellationRequested();
        Interlocked.Exchange(ref _moved, time.GetTimestamp());
    }

    /// <summary>Copies into the caller's memory, which is the caller's alone again once the call is left behind.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void Give(ReadOnlySpan<byte> bytes, Span<byte> destination)
    {
        lock (_giving)
        {
            if (_isLeft)
            {
                throw new OperationCanceledException(cancellationToken);
            }

            bytes.CopyTo(destination);
        }
    }

    /// <summary>When this returns nothing more is given.</summary>
    public void Leave()
    {
        lock (_giving)
        {
            _isLeft = true;
        }
    }
}
