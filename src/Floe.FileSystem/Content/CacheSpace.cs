namespace Floe.FileSystem.Content;

/// <summary>
/// Counts the bytes on the local disk. Space is reserved before it is filled: first clean blocks of the contents used longest ago are dropped,
/// then the caller waits while uploads make more blocks clean, and only when none is under way is the disk full.
/// </summary>
/// <remarks>
/// Why nobody is refused space that would come, and nobody waits for ever. A transfer is what goes on by itself: it waits for the network, and for
/// slots and memory that other transfers hold, but never for space, nor for anybody who waits for space: a publication is none while it stands at a
/// file's gate. So each ends, and a waiter may wait as long as there is one. It ends (<see cref="EndTransfer"/>) after what it made droppable can be
/// dropped: a fetch when its blocks are here, a part when it counts as sent and no longer as on its way. Space is taken and the transfer that fills
/// it begun in one step, so that who finds the space gone finds the transfer. A waiter is woken when a transfer ends or space is released; it looks
/// for space, has sent what can be (<see cref="Relieve"/>), and is refused if nothing was, nothing is on its way, and nothing has ended since it
/// looked. (A writer tries again for a while: <see cref="RoomWait"/>.) Waiters keep nothing going round: a part is sent for them only while it is unsent, and one that ends unsent was changed, by a writer who
/// went on, or failed, and then none of its file is until that is published or tried again.
/// </remarks>
internal sealed class CacheSpace(long maxBytes, TimeProvider time)
{
    /// <summary>So long a full disk makes the limit lower; then it is tried again, for others may have made room.</summary>
    private static readonly TimeSpan s_fullFor = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _limit = maxBytes;
    private long _fullSince;
    private long _used;
    private long _overdrawn;
    private int _transfers;
    private int _waiters;
    private volatile bool _isOpen;

    /// <summary>
    /// While set whoever finds no space has it past the limit; who needs some afterwards waits for the more. Not where the disk itself is full.
    /// </summary>
    public bool IsOpen
    {
        set
        {
            _isOpen = value;
            Wake();
        }
    }

    public long MaxBytes { get; } = maxBytes;

    public long UsedBytes => Interlocked.Read(ref _used);

    /// <summary>Drops clean blocks, at least so many bytes if it can; gives how many. They have been released when it returns.</summary>
    public Func<long, long> Evict { get; set; } = static _ => 0;

    /// <summary>The same, waiting for contents that are being filled: the last resort.</summary>
    public Func<long, long> EvictPatiently { get; set; } = static _ => 0;

    /// <summary>Completes when space is released or a transfer ends, if somebody is waiting.</summary>
    public Task Changed
    {
        get
        {
            lock (_lock)
            {
                return _changed.Task;
            }
        }
    }

    /// <summary>Nothing is on its way.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return _transfers == 0;
            }
        }
    }

    /// <summary>The disk was full, and is not tried again yet.</summary>
    public bool IsLowered => Interlocked.Read(ref _limit) < MaxBytes;

    /// <summary>Starts sending what could be sent and then dropped; false where there is nothing.</summary>
    public Func<bool> Relieve { get; set; } = static () => false;

    /// <summary>Reserves without waiting; evicts if need be.</summary>
    /// <param name="transfers">So many that fill the space begin with it.</param>
    public bool TryReserve(long bytes, int transfers = 0)
    {
        while (!TryTake(bytes, transfers))
        {
            // A sixteenth more, so that not every block asks again.
            if (Evict(Math.Max(bytes, MaxBytes / 16)) == 0)
            {
                return TryTake(bytes, transfers);
            }
        }

        return true;
    }

    /// <summary>The same, so much past the limit at most.</summary>
    public bool TryReserve(long bytes, long mostPastLimit)
    {
        if (TryReserve(bytes))
        {
            return true;
        }

        lock (_lock)
        {
            var isTaken = UsedBytes + bytes <= MaxBytes + Interlocked.Read(ref _overdrawn) + mostPastLimit;
            Interlocked.Add(ref _used, isTaken ? bytes : 0);
            return isTaken;
        }
    }

    /// <summary>
    /// Reserves past the limit, until <see cref="Repay"/>: for what can neither be dropped nor refused. What is left for others stays the same.
    /// </summary>
    public void Overdraw(long bytes)
    {
        Interlocked.Add(ref _overdrawn, bytes);
        Interlocked.Add(ref _used, bytes);
    }

    /// <summary>The limit holds again for so many bytes. They stay reserved: whoever needs space next drops them.</summary>
    public void Repay(long bytes) => Interlocked.Add(ref _overdrawn, -bytes);

    /// <summary>Reserves what cannot be refused and must not have others' bytes sent for it. Whoever needs space next waits for the more.</summary>
    /// <param name="transfers">As for <see cref="TryReserve"/>.</param>
    public void TakePastLimit(long bytes, int transfers = 0)
    {
        lock (_lock)
        {
            Interlocked.Add(ref _used, bytes);
            _transfers += transfers;
        }
    }

    public ValueTask ReserveAsync(long bytes, CancellationToken cancellationToken, int transfers = 0) =>
        ReserveAsync(bytes, transfers, isOnDisk: false, CancellationToken.None, cancellationToken);

    /// <param name="released">Ends the waiting: the space is taken past the limit, and whoever needs some next waits for the more.</param>
    public ValueTask ReserveAsync(long bytes, CancellationToken released, CancellationToken cancellationToken) =>
        ReserveAsync(bytes, 0, isOnDisk: false, released, cancellationToken);

    private async ValueTask ReserveAsync(long bytes, int transfers, bool isOnDisk, CancellationToken released, CancellationToken cancellationToken)
    {
        if (TryReserve(bytes, transfers))
        {
            return;
        }

        BeginWaiting();
        try
        {
            await WaitAsync(bytes, transfers, isOnDisk, released, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            EndWaiting();
        }
    }

    /// <summary>Until <see cref="EndWaiting"/> whoever asked for <see cref="Changed"/> is told.</summary>
    public void BeginWaiting() => Interlocked.Increment(ref _waiters);

    public void EndWaiting() => Interlocked.Decrement(ref _waiters);

    /// <summary>The disk refused what was reserved, since others use it too: for a while no more than what is there is the limit.</summary>
    public void NoteDiskFull()
    {
        lock (_lock)
        {
            Interlocked.Exchange(ref _limit, Math.Clamp(UsedBytes - Interlocked.Read(ref _overdrawn), 0, _limit));
            _fullSince = time.GetTimestamp();
        }
    }

    /// <summary>After the disk refused so many bytes: returns when as much was dropped, or fails as <see cref="ReserveAsync"/> does.</summary>
    public async ValueTask MakeRoomOnDiskAsync(long bytes, CancellationToken cancellationToken)
    {
        NoteDiskFull();
        await ReserveAsync(bytes, 0, isOnDisk: true, CancellationToken.None, cancellationToken).ConfigureAwait(false);
        Release(bytes);
    }

    /// <summary>The same without waiting.</summary>
    public bool TryMakeRoomOnDisk(long bytes)
    {
        NoteDiskFull();
        if (!TryReserve(bytes))
        {
            return false;
        }

        Release(bytes);
        return true;
    }

    private async Task WaitAsync(long bytes, int transfers, bool isOnDisk, CancellationToken released, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(released, cancellationToken);
        while (true)
        {
            var changed = Changed;
            if (TryReserve(bytes, transfers))
            {
                return;
            }

            if ((_isOpen && !isOnDisk) || released.IsCancellationRequested)
            {
                TakePastLimit(bytes, transfers);
                return;
            }

            if (!Relieve() && IsStill(changed) && EvictPatiently(bytes) == 0 && IsStill(changed))
            {
                throw new ContentException(ContentErrorKind.NoSpace, Interlocked.Read(ref _limit) < MaxBytes
                    ? "the disk is full, and what the cache has there is not in the bucket yet and cannot be sent; give the cache another folder"
                    : $"the cache of {MaxBytes} bytes is full of data that is not in the bucket yet and cannot be sent; raise FUSION_CACHE_SIZE");
            }

            await changed.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    public void Release(long bytes)
    {
        if (bytes != 0)
        {
            Interlocked.Add(ref _used, -bytes);
            Pulse();
        }
    }

    /// <summary>Something is on its way to or from the bucket that waits for no space: who does may go on hoping.</summary>
    public void BeginTransfer(int count = 1)
    {
        lock (_lock)
        {
            _transfers += count;
        }
    }

    /// <summary>What was on its way can be dropped now, if it arrived.</summary>
    public void EndTransfer() => Pulse(1);

    private void Pulse(int endedTransfers = 0)
    {
        if (endedTransfers != 0 || Volatile.Read(ref _waiters) != 0)
        {
            Wake(endedTransfers);
        }
    }

    private void Wake(int endedTransfers = 0)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            // Both in one step, for IsStill.
            _transfers -= endedTransfers;
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
    }

    /// <summary>Nothing is on its way, and nothing has arrived since the task was looked at.</summary>
    private bool IsStill(Task changed)
    {
        lock (_lock)
        {
            return _transfers == 0 && _changed.Task == changed;
        }
    }

    private bool TryTake(long bytes, int transfers)
    {
        if (transfers == 0)
        {
            return TryTake(bytes);
        }

        lock (_lock)
        {
            var isTaken = TryTake(bytes);
            _transfers += isTaken ? transfers : 0;
            return isTaken;
        }
    }

    private bool TryTake(long bytes)
    {
        while (true)
        {
            var used = Interlocked.Read(ref _used);
            if (used + bytes > Interlocked.Read(ref _limit) + Interlocked.Read(ref _overdrawn))
            {
                if (!TryRaise())
                {
                    return false;
                }

                continue;
            }

            if (Interlocked.CompareExchange(ref _used, used + bytes, used) == used)
            {
                return true;
            }
        }
    }

    private bool TryRaise()
    {
        lock (_lock)
        {
            var isRaised = _limit < MaxBytes && time.GetElapsedTime(_fullSince) > s_fullFor;
            if (isRaised)
            {
                Interlocked.Exchange(ref _limit, MaxBytes);
            }

            return isRaised;
        }
    }
}
