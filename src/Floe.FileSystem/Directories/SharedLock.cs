namespace Floe.FileSystem.Directories;

/// <summary>A lock across awaits that many share or one has alone. Who wants it alone keeps later sharers out.</summary>
internal sealed class SharedLock
{
    private readonly Lock _gate = new();
    private readonly Queue<(bool IsAlone, TaskCompletionSource Turn)> _waiting = new();
    private int _sharers;
    private bool _isAlone;

    public ValueTask<Holder> EnterSharedAsync(CancellationToken cancellationToken) => EnterAsync(isAlone: false, cancellationToken);

    public ValueTask<Holder> EnterAloneAsync(CancellationToken cancellationToken) => EnterAsync(isAlone: true, cancellationToken);

    public ValueTask<Holder> EnterAsync(bool isAlone, CancellationToken cancellationToken)
    {
        TaskCompletionSource turn;
        lock (_gate)
        {
            if (_waiting.Count == 0 && IsFree(isAlone))
            {
                Take(isAlone);
                return ValueTask.FromResult(new Holder(this, isAlone));
            }

            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue((isAlone, turn));
        }

        return WaitAsync();

        async ValueTask<Holder> WaitAsync()
        {
            try
            {
                await turn.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                if (turn.TrySetCanceled(cancellationToken))
                {
                    // Those behind it may have waited for it alone.
                    lock (_gate)
                    {
                        Wake();
                    }
                }
                else
                {
                    // A turn that comes all the same is handed on.
                    Leave(isAlone);
                }

                throw;
            }

            return new Holder(this, isAlone);
        }
    }

    private bool IsFree(bool isAlone) => !_isAlone && (!isAlone || _sharers == 0);

    private void Take(bool isAlone)
    {
        if (isAlone)
        {
            _isAlone = true;
        }
        else
        {
            _sharers++;
        }
    }

    private void Leave(bool isAlone)
    {
        lock (_gate)
        {
            if (isAlone)
            {
                _isAlone = false;
            }
            else
            {
                _sharers--;
            }

            Wake();
        }
    }

    /// <summary>Lets in whoever may come next. The lock is held.</summary>
    private void Wake()
    {
        while (_waiting.TryPeek(out var next) && (next.Turn.Task.IsCompleted || IsFree(next.IsAlone)))
        {
            _waiting.Dequeue();
            // False: it was cancelled while it waited.
            if (next.Turn.TrySetResult())
            {
                Take(next.IsAlone);
            }
        }
    }

    internal readonly struct Holder(SharedLock? owner, bool isAlone) : IDisposable
    {
        public void Dispose() => owner?.Leave(isAlone);
    }
}
