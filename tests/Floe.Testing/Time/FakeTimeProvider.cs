namespace Floe.Testing.Time;

/// <summary>
/// A clock that stands still until a test moves it. Timers fire inside <see cref="Advance"/>, in order of their time. To move it without racing the
/// code under test, first wait until that code sleeps: <see cref="WhenTimerStartsAsync"/>.
/// </summary>
public sealed class FakeTimeProvider(DateTimeOffset start) : TimeProvider
{
    private readonly Lock timersLock = new();
    private readonly List<FakeTimer> timers = [];
    private readonly List<(TimeSpan Due, TaskCompletionSource Seen)> waiters = [];
    private DateTimeOffset now = start;

    public FakeTimeProvider()
        : this(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero))
    {
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (timersLock)
        {
            return now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().UtcTicks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Until a timer of exactly this length is running; at once if one is.</summary>
    public async Task WhenTimerStartsAsync(TimeSpan due, CancellationToken cancellationToken = default)
    {
        Task seen;
        lock (timersLock)
        {
            if (timers.Exists(timer => timer.Due == due))
            {
                return;
            }

            var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            waiters.Add((due, source));
            seen = source.Task;
        }

        await seen.WaitAsync(cancellationToken);
    }

    /// <summary>Moves the clock and fires what falls due on the way.</summary>
    public void Advance(TimeSpan by)
    {
        var end = GetUtcNow() + by;
        while (true)
        {
            FakeTimer? next;
            lock (timersLock)
            {
                next = timers.Where(timer => timer.FiresAt <= end).MinBy(timer => timer.FiresAt);
                if (next is null)
                {
                    now = end;
                    return;
                }

                now = next.FiresAt > now ? next.FiresAt : now;
                timers.Remove(next);
            }

            next.Fire();
        }
    }

    private void Start(FakeTimer timer, TimeSpan due)
    {
        lock (timersLock)
        {
            timers.Remove(timer);
            if (due == Timeout.InfiniteTimeSpan)
            {
                return;
            }

            timer.Due = due;
            timer.FiresAt = now + due;
            timers.Add(timer);
            foreach (var (_, seen) in waiters.Where(waiter => waiter.Due == due))
            {
                seen.TrySetResult();
            }

            waiters.RemoveAll(waiter => waiter.Due == due);
        }
    }

    private void Stop(FakeTimer timer)
    {
        lock (timersLock)
        {
            timers.Remove(timer);
        }
    }

    private sealed class FakeTimer(FakeTimeProvider owner, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan period = Timeout.InfiniteTimeSpan;

        public TimeSpan Due { get; set; }

        public DateTimeOffset FiresAt { get; set; }

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            period = newPeriod;
            owner.Start(this, dueTime);
            return true;
        }

        public void Fire()
        {
            if (period > TimeSpan.Zero)
            {
                owner.Start(this, period);
            }

            callback(state);
        }

        public void Dispose() => owner.Stop(this);

        public ValueTask DisposeAsync()
        {
            owner.Stop(this);
            return ValueTask.CompletedTask;
        }
    }
}
