using Floe.Agent.Snapshots;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Tests.Snapshots;

public sealed class StorePatienceTests
{
    private readonly FakeTimeProvider _time = new();
    private TimeSpan _failingFor;

    [Fact]
    public void Expired_StoreFailsAllTheTime_IsAfterTheLimit()
    {
        using var patience = new StorePatience(() => _failingFor, _time);
        Assert.False(IsExpiredAfter(patience, 29, failing: true));
        Assert.True(IsExpiredAfter(patience, 2, failing: true));
    }

    [Fact]
    public void Expired_StoreAnswersAgain_IsNot()
    {
        using var patience = new StorePatience(() => _failingFor, _time);
        Assert.False(IsExpiredAfter(patience, 29, failing: true));
        Assert.False(IsExpiredAfter(patience, 600, failing: false));
        Assert.False(IsExpiredAfter(patience, 29, failing: true));
    }

    /// <summary>It failed long ago, and nobody has asked it anything since.</summary>
    [Fact]
    public void Expired_StoreFailedBefore_HasItsTimeAllTheSame()
    {
        _failingFor = TimeSpan.FromHours(1);
        using var patience = new StorePatience(() => _failingFor, _time);
        Assert.False(IsExpiredAfter(patience, 20, failing: true));
        Assert.False(IsExpiredAfter(patience, 20, failing: false));
    }

    [Fact]
    public void Expired_MachineIsToGo_IsNotBeforeItHasOutlivedThat()
    {
        using var patience = new StorePatience(() => _failingFor, _time, _time.GetUtcNow() + TimeSpan.FromSeconds(120));
        Assert.False(IsExpiredAfter(patience, 149, failing: true));
        Assert.False(IsExpiredAfter(patience, 2, failing: false));
        Assert.True(IsExpiredAfter(patience, 31, failing: true));
    }

    private bool IsExpiredAfter(StorePatience patience, int seconds, bool failing)
    {
        for (var i = 0; i < seconds; i++)
        {
            _failingFor = failing ? _failingFor + TimeSpan.FromSeconds(1) : TimeSpan.Zero;
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        return patience.Expired.IsCancellationRequested;
    }
}
