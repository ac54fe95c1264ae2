namespace Floe.Agent.Snapshots;

/// <summary>
/// How long a task stands still, or an end waits, for a store that has stopped answering: retries go on for minutes, and calls into a folder that hangs for ever.
/// Whatever moves a byte, however slowly, is waited for.
/// </summary>
internal sealed class StorePatience : IDisposable
{
    /// <summary>From the first fault that no success followed; a request that moves no byte is a fault after a while only, and a file call that hangs after two minutes.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _expired = new();
    private readonly Func<TimeSpan> _failingFor;
    private readonly TimeProvider _time;
    private readonly DateTimeOffset? _notBefore;
    private readonly long _began;
    private readonly ITimer _timer;

    /// <param name="failingFor">As <see cref="S3.IObjectStore.FailingFor"/>.</param>
    /// <param name="deadline">When something presses that a hopeless try is no worse than giving up for: it is tried until then, and a while longer.</param>
    public StorePatience(Func<TimeSpan> failingFor, TimeProvider time, DateTimeOffset? deadline = null)
    {
        _notBefore = deadline + Limit;
        _failingFor = failingFor;
        _time = time;
        _began = time.GetTimestamp();
        _timer = time.CreateTimer(_ => Look(), null, s_look, s_look);
    }

    /// <summary>Cancelled when it has run out.</summary>
    public CancellationToken Expired => _expired.Token;

    public void Dispose()
    {
        _timer.Dispose();
        _expired.Dispose();
    }

    private void Look()
    {
        // What failed before this began may long be over: only nobody has asked since.
        var failing = _failingFor();
        if (failing < Limit || _time.GetElapsedTime(_began) < Limit || _time.GetUtcNow() < _notBefore)
        {
            return;
        }

        _timer.Dispose();
        try
        {
            _ = _expired.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The snapshot is over.
        }
    }
}
