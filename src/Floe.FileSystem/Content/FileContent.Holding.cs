namespace Floe.FileSystem.Content;

/// <summary>Writers and publications at the gate.</summary>
public sealed partial class FileContent
{
    /// <summary>A write takes less, if it waits for nothing.</summary>
    private static readonly TimeSpan s_gatePatience = TimeSpan.FromMilliseconds(10);

    // Set while something long is done in the gate: a publication sends parts there, since the file changed faster than they went up, or all of the file is
    // read for what was written through mappings.
    private CancellationTokenSource? _holdingOff;

    // Writers at the gate who are being frozen.
    private int _releasedWriters;

    /// <param name="released">The writer is being frozen, and would not stand still while it waits for what is done in the gate.</param>
    private async ValueTask EnterAsWriterAsync(CancellationToken released, CancellationToken cancellationToken)
    {
        if (await _gate.WaitAsync(TimeSpan.Zero, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        var isReleased = false;
        var registration = released.UnsafeRegister(
            _ =>
            {
                lock (_lock)
                {
                    isReleased = true;
                    _releasedWriters++;
                    _ = _holdingOff?.CancelAsync();
                }
            },
            null);
        try
        {
            await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await registration.DisposeAsync().ConfigureAwait(false);
            lock (_lock)
            {
                _releasedWriters -= isReleased ? 1 : 0;
            }
        }
    }

    /// <summary>In the gate, what takes long. False: it did, or was broken off, since a writer who waits for the gate is being frozen.</summary>
    private async Task<bool> TryHoldOffAsync(Func<CancellationToken, Task<bool>> work, CancellationToken cancellationToken)
    {
        using var holding = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        lock (_lock)
        {
            if (_releasedWriters > 0)
            {
                return false;
            }

            _holdingOff = holding;
        }

        try
        {
            return await work(holding.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (holding.IsCancellationRequested && !cancellationToken.IsCancellationRequested && !_store.Stopping.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            lock (_lock)
            {
                _holdingOff = null;
            }
        }
    }

    /// <summary>
    /// The gate, and the memory that the file takes as it is then; tells which kind. The gate is not held while memory is waited for, which all closed
    /// files are queued for: the file's next writer would stand behind them. Nor the other way round: a writer in the gate may wait for space.
    /// </summary>
    private async Task<bool> EnterWithMemoryAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var isLarge = await _store.EnterSmallAsync(Size, cancellationToken).ConfigureAwait(false);
            var isEntered = false;
            try
            {
                isEntered = await _gate.WaitAsync(s_gatePatience, cancellationToken).ConfigureAwait(false);
                if (isEntered && ContentStore.FitsSmall(Size, isLarge))
                {
                    return isLarge;
                }
            }
            finally
            {
                if (!isEntered)
                {
                    _store.LeaveSmall(isLarge);
                }
            }

            if (isEntered)
            {
                // It has grown meanwhile.
                _gate.Release();
                _store.LeaveSmall(isLarge);
                continue;
            }

            await EnterAsync(_gate, cancellationToken).ConfigureAwait(false);
            _gate.Release();
        }
    }
}
