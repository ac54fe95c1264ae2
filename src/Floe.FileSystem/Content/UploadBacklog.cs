namespace Floe.FileSystem.Content;

/// <summary>
/// Counts closed files that are on their way to the bucket. Each takes memory and not only room in the cache, so who makes more small files than the
/// service takes is held up at the first bytes of the next one. Nothing on its way waits for a writer: all of it ends, well or not.
/// </summary>
internal sealed class UploadBacklog(int most)
{
    /// <summary>So many times the most are borne by who asks with it.</summary>
    public const int Patience = 4;

    private readonly Lock _lock = new();
    private TaskCompletionSource _shrunk = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _isOpen;

    /// <summary>While set nobody is held up.</summary>
    public bool IsOpen
    {
        set
        {
            TaskCompletionSource changed;
            lock (_lock)
            {
                _isOpen = value;
                changed = _shrunk;
                _shrunk = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            changed.SetResult();
        }
    }

    public void Begin()
    {
        lock (_lock)
        {
            _count++;
        }
    }

    public void End()
    {
        TaskCompletionSource? shrunk = null;
        lock (_lock)
        {
            if (--_count == most || _count == most * Patience)
            {
                shrunk = _shrunk;
                _shrunk = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        shrunk?.SetResult();
    }

    /// <summary>Returns when no more than the most are on their way, or so many times the most.</summary>
    /// <param name="times">1 or <see cref="Patience"/>.</param>
    /// <param name="released">Ends the waiting.</param>
    public async Task WaitAsync(int times, CancellationToken released, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task shrunk;
            lock (_lock)
            {
                if (_isOpen || _count <= most * times)
                {
                    return;
                }

                shrunk = _shrunk.Task;
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(released, cancellationToken);
            await shrunk.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (released.IsCancellationRequested)
            {
                return;
            }
        }
    }
}
