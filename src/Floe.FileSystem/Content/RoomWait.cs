namespace Floe.FileSystem.Content;

/// <summary>
/// A write that was refused room since nothing that goes on by itself would make some. It holds nothing meanwhile, neither the file's gate nor space:
/// the file can be published, cut, renamed and removed.
/// </summary>
internal sealed class RoomWait : IDisposable
{
    /// <summary>So often it is looked whether it is worth waiting on, and what failed is tried again.</summary>
    private static readonly TimeSpan s_step = TimeSpan.FromSeconds(0.5);

    /// <summary>So many tries in vain tell that the disk stays full while all stand still.</summary>
    private const int MaxRefusals = 10;

    private readonly ContentStore _store;
    private readonly FileContent _writer;

    // Of the time before the last try; null before the second, since what came before the first was told to nobody.
    private Task? _changed;
    private bool _isLast;

    // The try that is being made has its space past the limit: only the disk can refuse it.
    private bool _isPastLimit;
    private int _refusals;

    public RoomWait(ContentStore store, FileContent writer)
    {
        (_store, _writer) = (store, writer);
        _store.Space.BeginWaiting();
    }

    public void Dispose() => _store.Space.EndWaiting();

    /// <summary>After a refusal: returns when the write is to be tried again; false: it is of no use.</summary>
    /// <param name="released">
    /// Ends the waiting once: the next try has its space past the limit. Who is refused all the same, by the disk, waits on as before: a freeze that
    /// comes to nothing by that costs less than the bytes.
    /// </param>
    public async Task<bool> GoOnAsync(CancellationToken released, CancellationToken cancellationToken)
    {
        if (_changed is not null && _store.Space.IsIdle)
        {
            // Others that come and go without making room must not keep it waiting, nor what fails for ever.
            var isBeingFrozen = _store.IsBeingFrozen && released.IsCancellationRequested;
            var isWorthIt = _store.IsWorthWaiting(_writer, isBeingFrozen);
            if (!isWorthIt && _isLast)
            {
                return false;
            }

            if (isBeingFrozen && _isPastLimit && ++_refusals >= MaxRefusals)
            {
                _store.NoteDiskRefuses();
            }

            // A last try also where nobody told of anything, as below.
            _isLast = !isWorthIt;
            if ((_isPastLimit || !_changed.IsCompleted) && !_store.TryAgain() && isWorthIt)
            {
                // Not longer: nobody tells of room that others make on the disk, nor of bytes that may be dropped from now on, as when a reader has closed.
                // And what a try took past the limit and gave back is told of, but is no room.
                using var either = CancellationTokenSource.CreateLinkedTokenSource(_isPastLimit ? CancellationToken.None : released, cancellationToken);
                await (_isPastLimit ? Task.Delay(s_step, _store.Time, either.Token) : _changed.WaitAsync(s_step, _store.Time, either.Token))
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        _isPastLimit = released.IsCancellationRequested || _store.IsBeingFrozen;
        _changed = _store.Space.Changed;
        return true;
    }
}
