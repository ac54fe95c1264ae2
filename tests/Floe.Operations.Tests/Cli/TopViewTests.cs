using Floe.Agent.Control;
using Floe.Cli.Console;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class TopViewTests
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 2, 8, 0, 0, TimeSpan.Zero);
    private static readonly AgentStatus s_status = new()
    {
        Key = "job-17", Store = "s3://b/floe", State = "running", TaskPid = 1000, RestoredFrom = 3, Snapshots = 1, RunningSince = s_now.AddMinutes(-62), Processes = 11,
        ResidentBytes = 6L << 30, ProcessorMillis = 50_000,
    };

    [Fact]
    public void Lines_RunningTask_SayWhatItDoes()
    {
        var text = string.Join('\n', new TopView().Lines(s_status, s_now));
        Assert.Contains("job-17", text, StringComparison.Ordinal);
        Assert.Contains("running, for 1 h 02 min on this machine, restored from snapshot 3", text, StringComparison.Ordinal);
        Assert.Contains("11 processes, 6 GiB resident\n", text, StringComparison.Ordinal);
        Assert.Contains("no notice", text, StringComparison.Ordinal);
        Assert.Contains("none under way", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_SecondLook_KnowsHowManyProcessorsAreBusy()
    {
        var view = new TopView();
        view.Lines(s_status, s_now);
        var text = string.Join('\n', view.Lines(s_status with { ProcessorMillis = 53_000, ResidentBytes = 3L << 30 }, s_now.AddSeconds(2)));
        Assert.Contains("150 % of a processor", text, StringComparison.Ordinal);
        Assert.Contains("memory    █▄\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_UnderANotice_CountDownAndShowTheSnapshot()
    {
        var status = s_status with { State = "snapshotting", ReclaimDeadline = s_now.AddSeconds(87), Progress = new CaptureProgress("capturing", 3L << 30, 6L << 30, 1L << 30, 512L << 20, 4200) };
        var text = string.Join('\n', new TopView().Lines(status, s_now));
        Assert.Contains("this machine goes in 1 min 27 s", text, StringComparison.Ordinal);
        Assert.Contains("capturing ██████████░░░░░░░░░░ 3 GiB read, 512 MiB sent, 4.2 s", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_AgentJustStarting_AreThereToo()
    {
        var text = string.Join('\n', new TopView().Lines(new AgentStatus { Key = "k", Store = "s", State = "starting", TaskPid = 0, RestoredFrom = 0, Snapshots = 0 }, s_now));
        Assert.Contains("state     starting\n", text, StringComparison.Ordinal);
    }
}
