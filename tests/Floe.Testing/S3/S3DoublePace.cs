using System.Diagnostics;

namespace Floe.Testing.S3;

/// <summary>How a service behind a network answers: after a while, and no faster than the line, which all connections share.</summary>
/// <param name="answerDelay">Between a request's end and its answer's first byte.</param>
/// <param name="bytesPerSecond">Of the line, in each direction.</param>
public sealed class S3DoublePace(TimeSpan answerDelay, double bytesPerSecond)
{
    // Waits shorter than a timer's grain are put together.
    private static readonly long s_grain = Stopwatch.Frequency / 500;

    // A timer wakes late. A real line goes on meanwhile, from the sender's socket, so what it could have carried in so long may follow at once.
    private static readonly long s_late = s_grain;

    private readonly Lock _lock = new();
    private long _inFree;
    private long _outFree;

    internal Task DelayAsync(CancellationToken cancellationToken) => Task.Delay(answerDelay, cancellationToken);

    internal Task InAsync(long bytes, CancellationToken cancellationToken) => TakeAsync(ref _inFree, bytes, cancellationToken);

    internal Task OutAsync(long bytes, CancellationToken cancellationToken) => TakeAsync(ref _outFree, bytes, cancellationToken);

    private Task TakeAsync(ref long free, long bytes, CancellationToken cancellationToken)
    {
        long ahead;
        lock (_lock)
        {
            var now = Stopwatch.GetTimestamp();
            free = Math.Max(free, now - s_late) + (long)(bytes / bytesPerSecond * Stopwatch.Frequency);
            ahead = free - now;
        }

        return ahead < s_grain ? Task.CompletedTask : Task.Delay(TimeSpan.FromSeconds((double)ahead / Stopwatch.Frequency), cancellationToken);
    }
}
