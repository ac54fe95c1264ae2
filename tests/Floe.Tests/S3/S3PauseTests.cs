using System.Collections.Concurrent;
using Floe.S3;
using Floe.Testing.S3;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>How long the S3 store waits before it asks a service again that has too much to do.</summary>
public sealed class S3PauseTests
{
    private const int Tries = 8;
    private const int LongestMillis = 2000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task HeadAsync_ServiceIsBusy_PausesDoubleUpToTheLongest()
    {
        var pauses = await PausesAsync();

        Assert.Equal(Tries - 1, pauses.Count);
        for (var i = 0; i < pauses.Count; i++)
        {
            var full = Math.Min(100 << i, LongestMillis);
            Assert.InRange(pauses[i].TotalMilliseconds, full / 2, full);
        }
    }

    /// <summary>Tasks that were refused at the same moment must not come back at the same moment.</summary>
    [Fact]
    public async Task HeadAsync_TwoThatAreRefusedAtOnce_PauseDifferently()
    {
        var one = await PausesAsync();

        var other = await PausesAsync();

        Assert.NotEqual(one, other);
    }

    private static async Task<IReadOnlyList<TimeSpan>> PausesAsync()
    {
        await using var server = await S3Double.StartAsync();
        server.Faults.Add(new(S3DoubleFaultKind.Error, Tries - 1));
        var time = new HurriedTime();
        await using var store = server.Open("p", o => o with { MaxAttempts = Tries, MaxBackoff = TimeSpan.FromMilliseconds(LongestMillis) }, time: time);
        Assert.Null(await store.HeadAsync(new("x"), Token));
        return [.. time.Pauses];
    }

    /// <summary>Pauses are noted and over at once. What is longer than any of them, such as the limit on an attempt without progress, takes its time.</summary>
    private sealed class HurriedTime : TimeProvider
    {
        public ConcurrentQueue<TimeSpan> Pauses { get; } = new();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > TimeSpan.Zero && dueTime.TotalMilliseconds <= LongestMillis)
            {
                Pauses.Enqueue(dueTime);
                dueTime = TimeSpan.Zero;
            }

            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
