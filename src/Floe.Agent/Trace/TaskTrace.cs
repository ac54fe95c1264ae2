using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Trace;

/// <summary>
/// Writes this agent's attempt into the task's trace. Nothing here ever throws at the agent or holds it up: changes are made in memory and
/// written behind its back, the newest state at a time; a write that fails is logged once and made up for by the next.
/// </summary>
internal sealed partial class TaskTrace : IAsyncDisposable
{
    private const int MaxRaces = 4;
    private static readonly TimeSpan s_writeLimit = TimeSpan.FromSeconds(20);

    private readonly ITraceTarget _target;
    private readonly TraceDocument _header;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _writing;
    private TraceAttempt _attempt;
    private TraceDocument? _earlier;
    private bool _refused;
    private bool _written;
    private bool _complained;

    /// <param name="header">The document but for its attempts.</param>
    public TaskTrace(ITraceTarget target, TraceDocument header, TraceAttempt attempt, TimeProvider time, ILogger logger)
    {
        (_target, _header, _attempt, _time, _logger) = (target, header, attempt, time, logger);
        _changed.Writer.TryWrite(true);
        _writing = WriteChangesAsync();
    }

    /// <summary>Changes this agent's attempt; written soon. Without effect after <see cref="FinishAsync"/>.</summary>
    public void Update(Func<TraceAttempt, TraceAttempt> change)
    {
        lock (_gate)
        {
            _attempt = Bounded(change(_attempt));
        }

        _changed.Writer.TryWrite(true);
    }

    /// <summary>The last change, and waits until it is written, but no longer than <paramref name="patience"/>.</summary>
    public async Task FinishAsync(Func<TraceAttempt, TraceAttempt> change, TimeSpan patience)
    {
        Update(change);
        _changed.Writer.TryComplete();
        try
        {
            await _writing.WaitAsync(patience, _time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            LogFailed("the store takes too long");
        }
    }

    public async ValueTask DisposeAsync()
    {
        _changed.Writer.TryComplete();
        await _stop.CancelAsync().ConfigureAwait(false);
        await _writing.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task WriteChangesAsync()
    {
        // Off the constructor's caller before anything is read or written.
        await Task.Yield();
        await foreach (var _ in _changed.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            if (_refused || _stop.IsCancellationRequested)
            {
                continue;
            }

            try
            {
                using var limit = new CancellationTokenSource(s_writeLimit, _time);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
                await WriteAsync(both.Token).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Whatever it was: the trace is for people, and the task must not pay for it. What was read may be stale now.
                _earlier = null;
                if (!_complained && !_stop.IsCancellationRequested)
                {
                    _complained = true;
                    LogFailed(e is OperationCanceledException ? "the store takes too long" : e.Message);
                }
            }
        }
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        for (var race = 0; race < MaxRaces; race++)
        {
            _earlier ??= await ReadAsync(cancellationToken).ConfigureAwait(false);
            if (_refused)
            {
                return;
            }

            if (await _target.TryWriteAsync(TraceCodec.Write(Compose(_earlier)), cancellationToken).ConfigureAwait(false))
            {
                _written = true;
                return;
            }

            _earlier = null;
        }

        throw new IOException("others write it all the time");
    }

    private async Task<TraceDocument> ReadAsync(CancellationToken cancellationToken)
    {
        if (await _target.ReadAsync(cancellationToken).ConfigureAwait(false) is not { } bytes)
        {
            // Written once and gone: somebody removed the task.
            _refused = _written;
            return _header;
        }

        if (TraceCodec.TryRead(bytes, out var problem) is { } found)
        {
            return found;
        }

        // What is not ours, or newer, is not written over.
        _refused = true;
        LogFailed($"what lies in its place {problem}");
        return _header;
    }

    /// <summary>The earlier attempts as they were found, and this one.</summary>
    private TraceDocument Compose(TraceDocument earlier)
    {
        TraceAttempt own;
        lock (_gate)
        {
            own = _attempt;
        }

        var attempts = earlier.Attempts.Where(a => a.Id != own.Id).Append(own).ToList();
        var dropped = Math.Max(0, attempts.Count - TraceLimits.Attempts);
        return _header with { Attempts = attempts[dropped..], AttemptsDropped = earlier.AttemptsDropped + dropped };
    }

    private static TraceAttempt Bounded(TraceAttempt attempt)
    {
        var dropped = Math.Max(0, attempt.Snapshots.Count - TraceLimits.Events) + Math.Max(0, attempt.Notices.Count - TraceLimits.Events);
        return dropped == 0 ? attempt : attempt with
        {
            Snapshots = [.. attempt.Snapshots.TakeLast(TraceLimits.Events)],
            Notices = [.. attempt.Notices.TakeLast(TraceLimits.Events)],
            EventsDropped = attempt.EventsDropped + dropped,
        };
    }

    [LoggerMessage(EventId = 4700, Level = LogLevel.Warning, Message = "The task's trace is not written: {Reason}")]
    private partial void LogFailed(string reason);
}
