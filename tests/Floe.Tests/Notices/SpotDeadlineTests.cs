using Floe.Agent.Notices;
using Floe.Aws;
using Xunit;

namespace Floe.Tests.Notices;

public sealed class SpotDeadlineTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(2);

    private static ReclaimNotice? Notice(TimeSpan? ahead, TimeSpan? serverAhead = null, string action = "terminate") => SpotDeadline.ToNotice(
        new SpotInstanceAction(action, Now + ahead, serverAhead is { } offset ? Now + offset : null), Now, Poll);

    [Fact]
    public void ToNotice_TwoMinutesAhead_IsTheStatedTime()
    {
        var notice = Notice(TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(-1));

        Assert.Equal(Now.AddMinutes(2), notice?.Deadline);
        Assert.Equal("terminate at 2030-01-01T12:02:00Z", notice?.Detail);
    }

    [Fact]
    public void ToNotice_ClockHereIsWrong_CountsByTheServers()
    {
        // The server's clock is an hour ahead of ours; its notice is 90 s away on its own clock.
        var notice = Notice(TimeSpan.FromHours(1) + TimeSpan.FromSeconds(90), TimeSpan.FromHours(1));

        Assert.Equal(TimeSpan.FromSeconds(90), notice?.Remaining(Now));
        Assert.Contains("clock is -3600 s off", notice?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void ToNotice_JustPassed_LeavesNoTimeButIsANotice()
    {
        var notice = Notice(TimeSpan.FromSeconds(-30));

        Assert.Equal(Now, notice?.Deadline);
        Assert.Equal(TimeSpan.Zero, notice?.Remaining(Now.AddSeconds(5)));
    }

    [Fact]
    public void ToNotice_LongPassed_IsLeftOver() => Assert.Null(Notice(TimeSpan.FromMinutes(-11)));

    [Theory]
    [InlineData(2.0)]
    [InlineData(24 * 365 * 50.0)]
    public void ToNotice_AbsurdlyFar_AssumesTwoMinutesLessAPoll(double hours) =>
        Assert.Equal(TimeSpan.FromSeconds(118), Notice(TimeSpan.FromHours(hours))?.Remaining(Now));

    [Fact]
    public void ToNotice_NoTime_AssumesTwoMinutesLessAPoll() => Assert.Equal(TimeSpan.FromSeconds(118), Notice(null)?.Remaining(Now));

    [Theory]
    [InlineData("terminate", ReclaimAction.Terminate)]
    [InlineData("stop", ReclaimAction.Stop)]
    [InlineData("Hibernate", ReclaimAction.Hibernate)]
    [InlineData("\u001b[2Jboil", ReclaimAction.Other)]
    public void ToNotice_Action_IsMappedAndNeverPrintedRaw(string text, ReclaimAction action)
    {
        var notice = Notice(TimeSpan.FromMinutes(1), action: text);

        Assert.Equal(action, notice?.Action);
        Assert.DoesNotContain('\u001b', notice!.Detail);
    }

    [Fact]
    public void Remaining_AtBothEndsOfTime_DoesNotOverflow()
    {
        var notice = SpotDeadline.ToNotice(new SpotInstanceAction("stop", DateTimeOffset.MaxValue, DateTimeOffset.MinValue), Now, Poll);

        Assert.Equal(TimeSpan.FromSeconds(118), notice?.Remaining(Now));
        Assert.Null(SpotDeadline.ToNotice(new SpotInstanceAction("stop", DateTimeOffset.MinValue, DateTimeOffset.MaxValue), Now, Poll));
    }
}
