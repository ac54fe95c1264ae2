using Floe.Agent.Trace;
using Floe.Operations.Reporting;
using Floe.Operations.Tests.Trace;
using Xunit;

namespace Floe.Operations.Tests.Reporting;

public sealed class ReportBuilderTests
{
    private static readonly Dictionary<(string, string), IReadOnlyList<PricePoint>> s_noHistory = [];

    [Fact]
    public void Build_ReclaimAndRestore_CountsWhatWasCarriedOver()
    {
        var task = Assert.Single(Build(Traces.Survivor("k")).Tasks);

        Assert.Equal((TaskState.Succeeded, 1, 1, 0), (task.State, task.Reclaims, task.Survived, task.Lost));
        Assert.Equal(3600, task.SavedSeconds);
        Assert.Equal(3641 + 1800, task.ComputeSeconds);
        Assert.Equal((40, 80), (task.CommitSeconds, task.SecondsLeft));
        Assert.Equal(12_000_000_000, task.StoredBytes);
    }

    [Fact]
    public void Build_TwoReclaims_TheSecondCarriesOverTheWorkOfBothMachines()
    {
        var trace = Traces.Survivor("k");
        var second = trace.Attempts[1];
        var notice = second.RunningAt!.Value.AddMinutes(20);
        trace = trace with
        {
            Attempts =
            [
                trace.Attempts[0],
                second with { Outcome = TraceOutcome.Snapshotted, Notices = [new("EC2 Spot", "terminate", notice, notice.AddSeconds(120))], Snapshots = [Traces.Snapshot(2, notice, notice.AddSeconds(120))] },
                second with { Id = "c", StartedAt = second.StartedAt.AddHours(1), RunningAt = second.StartedAt.AddHours(1), EndedAt = second.StartedAt.AddHours(2), Restores = [new(2, second.StartedAt.AddHours(1), 1000, 1, null)] },
            ],
        };
        var task = Assert.Single(Build(trace).Tasks);
        Assert.Equal((2, 2), (task.Reclaims, task.Survived));
        Assert.Equal(3600 + (3600 + 1200), task.SavedSeconds);
    }

    [Fact]
    public void Build_RestoreFailsAndTheCommandBeginsAgain_TheWorkIsLost()
    {
        var trace = Traces.Survivor("k");
        trace = trace with { Attempts = [trace.Attempts[0], trace.Attempts[1] with { Restores = [new(1, Traces.Start, 5, 1, "CPU features are missing")] }] };
        var task = Assert.Single(Build(trace).Tasks);
        Assert.Equal((1, 0, 1, 0.0), (task.Reclaims, task.Survived, task.Lost, task.SavedSeconds));
    }

    [Fact]
    public void Build_NothingHasTakenItUpYet_IsPending()
    {
        var trace = Traces.Survivor("k");
        var task = Assert.Single(Build(trace with { Attempts = [trace.Attempts[0]] }).Tasks);
        Assert.Equal((TaskState.Waiting, 1, 0, 1, 0), (task.State, task.Reclaims, task.Survived, task.Pending, task.Lost));
    }

    [Fact]
    public void Build_MachineDiedWithoutAWord_LastedUntilItsDeadline()
    {
        var trace = Traces.Survivor("k");
        trace = trace with { Attempts = [trace.Attempts[0] with { EndedAt = null, ExitCode = null, Outcome = TraceOutcome.Running }, trace.Attempts[1]] };
        var task = Assert.Single(Build(trace).Tasks);
        Assert.Equal(3720, task.Attempts[0].To);
        Assert.Equal((1, 1), (task.Reclaims, task.Survived));
    }

    [Fact]
    public void Build_TaskEndedBeforeItsMachine_WasNoReclaim()
    {
        var trace = Traces.Survivor("k");
        var task = Assert.Single(Build(trace with { Attempts = [trace.Attempts[0] with { Outcome = TraceOutcome.Exited, ExitCode = 3, Snapshots = [] }] }).Tasks);
        Assert.Equal((TaskState.Failed, 3, 0), (task.State, task.ExitCode, task.Reclaims));
    }

    [Fact]
    public void Build_Prices_GivenByTypeBeforeHistoryAndShared()
    {
        var history = new Dictionary<(string, string), IReadOnlyList<PricePoint>>
        {
            [("c6id.8xlarge", "eu-central-1a")] = [new(Traces.Start.AddDays(-2), 9), new(Traces.Start.AddHours(-1), 0.6), new(Traces.Start.AddHours(2), 9)],
        };
        var prices = PriceList.Of(["r6id.4xlarge=0.8"], history, 0.5);
        var task = Assert.Single(ReportBuilder.Build("t", [], [Traces.Survivor("k")], [], prices, Traces.Start).Tasks);

        // An hour carried over to the machine of 0.8 an hour, half of which is the task's.
        Assert.Equal(0.4, task.Saved!.Value, 6);
        Assert.Equal((3641 / 3600.0 * 0.3) + (1830 / 3600.0 * 0.4), task.Cost!.Value, 6);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("-1")]
    [InlineData("=1")]
    [InlineData("c6i.large=")]
    [InlineData("NaN")]
    [InlineData("1e9")]
    public void Prices_Nonsense_IsRefused(string text) => Assert.Throws<FormatException>(() => PriceList.Of([text], s_noHistory, 1));

    [Fact]
    public void Build_Totals_AddUp()
    {
        var other = Traces.Survivor("l", Traces.Start.AddHours(5));
        other = other with { Attempts = [other.Attempts[0] with { Snapshots = [Traces.Snapshot(1, other.Attempts[0].Notices[0].ReceivedAt, other.Attempts[0].Notices[0].Deadline, 90_000), new TraceSnapshot { Error = "no" }] }, other.Attempts[1]] };
        var totals = Build(Traces.Survivor("k"), other).Totals;
        Assert.Equal((2, 4, 2, 2, 2, 1), (totals.Tasks, totals.Attempts, totals.Reclaims, totals.Survived, totals.Snapshots, totals.FailedSnapshots));
        Assert.Equal((90, 90, 30), (totals.MedianCommitSeconds, totals.MaxCommitSeconds, totals.LeastSecondsLeft));
        Assert.Null(totals.Saved);
        Assert.Equal(2, totals.Unpriced);
    }

    [Fact]
    public void Build_NoAttempts_IsAnEmptyTask()
    {
        var report = Build(new TraceDocument { Key = "k" });
        Assert.Empty(Assert.Single(report.Tasks).Attempts);
        Assert.Null(report.Totals.MedianCommitSeconds);
    }

    private static Report Build(params TraceDocument[] traces) => ReportBuilder.Build("t", [], traces, [], PriceList.None, Traces.Start);
}
