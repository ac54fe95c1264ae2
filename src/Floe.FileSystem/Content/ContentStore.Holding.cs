namespace Floe.FileSystem.Content;

/// <summary>Keeping the objects that a snapshot rests on, for as long as the task may have to go back to it.</summary>
public sealed partial class ContentStore
{
    private readonly Lock _holding = new();

    // Read under the locks of contents, so that none is taken for it.
    private volatile HoldOfUploads? _hold;

    /// <summary>Files whose publication waits for the end of a hold.</summary>
    internal int HeldBack => _hold?.Waiting ?? 0;

    /// <summary>
    /// The task is being restored: nothing is published in the background until <see cref="EndRestore"/>, not by those either who put the files back. They
    /// cannot wait for room that only an upload makes, so the cache's limit does not hold for them.
    /// </summary>
    public void BeginRestore()
    {
        Begin(new HoldOfUploads(Space, isOfAll: true), isReplacing: true);
        Backlog.IsOpen = true;
        Space.IsOpen = true;
    }

    /// <summary>The restored task is about to run.</summary>
    /// <param name="holdsBack">As <see cref="HoldBack"/>, from the same moment on.</param>
    public void EndRestore(bool holdsBack)
    {
        if (_hold is not { IsOfAll: true } before)
        {
            return;
        }

        Begin(holdsBack ? new HoldOfUploads(Space, isOfAll: false) : null, isReplacing: true);
        before.End();
        Backlog.IsOpen = false;
        Space.IsOpen = false;
    }

    /// <summary>
    /// What becomes of the task next may show that it must go back to its last snapshot, whose files rest on objects of the bucket: until <see cref="LetGo"/>
    /// closed files that would replace one wait. Not those that somebody waits for: in fsync, in <see cref="DrainAsync"/>, or for room in the cache.
    /// </summary>
    public void HoldBack() => Begin(new HoldOfUploads(Space, isOfAll: false), isReplacing: false);

    /// <summary>Ends what <see cref="HoldBack"/> began. False: nothing has waited.</summary>
    public bool LetGo()
    {
        // In one step: who finds no hold finds what was held back on its way.
        lock (_holding)
        {
            return _hold is { IsOfAll: false } hold && LetGo(hold);
        }
    }

    /// <summary>
    /// Waits for the end of a hold, in the background. Each that waits takes memory, as each on its way does: as many as may be on their way end it, as a full
    /// cache does, and from then on writers are held up.
    /// </summary>
    internal Task<bool> WaitAsync(HoldOfUploads hold, bool isTransfer)
    {
        var waiting = hold.WaitAsync(isTransfer, Stopping);
        if (hold is { IsOfAll: false, Waiting: >= MaxBacklog })
        {
            lock (_holding)
            {
                _ = _hold == hold && LetGo(hold);
            }
        }

        return waiting;
    }

    /// <summary>The hold that keeps a content from being published in the background; null: none does.</summary>
    internal HoldOfUploads? HoldOf(bool replacesObject) => _hold is { } hold && (hold.IsOfAll || replacesObject) ? hold : null;

    private bool LetGo(HoldOfUploads hold)
    {
        _hold = null;
        return hold.End();
    }

    private void Begin(HoldOfUploads? hold, bool isReplacing)
    {
        lock (_holding)
        {
            _hold = isReplacing ? hold : _hold ?? hold;
        }
    }

    /// <param name="space">Told what goes on at the end.</param>
    internal sealed class HoldOfUploads(CacheSpace space, bool isOfAll)
    {
        private readonly Lock _lock = new();
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _hasEnded;
        private int _waiting;

        /// <summary>Also of what replaces nothing, and for whoever wants room.</summary>
        public bool IsOfAll => isOfAll;

        public int Waiting => Volatile.Read(ref _waiting);

        /// <summary>Until its end. Gives whether the caller has a transfer then: it is begun with the end, and none lasts while the caller waits.</summary>
        /// <param name="isTransfer">The caller has one already.</param>
        public async Task<bool> WaitAsync(bool isTransfer, CancellationToken cancellationToken)
        {
            lock (_lock)
            {
                if (_hasEnded)
                {
                    return isTransfer;
                }

                _waiting++;
                if (isTransfer)
                {
                    space.EndTransfer();
                }
            }

            await _ended.Task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lock (_lock)
            {
                _waiting -= _hasEnded ? 0 : 1;
                return _hasEnded;
            }
        }

        /// <summary>Whether anything has waited: it is on its way from now on, though it takes a moment until it goes on.</summary>
        public bool End()
        {
            lock (_lock)
            {
                _hasEnded = true;
                space.BeginTransfer(_waiting);
            }

            _ended.TrySetResult();
            return Waiting > 0;
        }
    }
}
