using System.Globalization;
using System.Text.RegularExpressions;
using Floe.Agent.Control;
using Floe.Cli.Console;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>What `floe snapshot` shows while an agent works, against an agent's control socket.</summary>
public sealed partial class SnapshotCommandTests : IDisposable
{
    // As of a task that turns out to have more than was expected.
    private static readonly CaptureProgress[] s_course =
    [
        new("freezing", 44 << 20, 0, 0, 0, 10), new("capturing", 50 << 20, 100 << 20, 0, 0, 20), new("capturing", 60 << 20, 200 << 20, 0, 0, 30),
        new("capturing", 180 << 20, 200 << 20, 0, 0, 40),
    ];

    private readonly ScratchFolder _folder = new();

    private (string, string)[] Variables => [("FLOE_STATE_DIR", _folder.Path)];

    [Fact]
    public async Task Snapshot_OnATerminal_TheBarBeginsAtZeroAndNeverGoesBack()
    {
        // Longer than the tenth of a second in which the bar is drawn anew.
        await using var agent = Agent(TimeSpan.FromMilliseconds(250));
        var status = await FloeTerminal.Start("snapshot", _folder["screen"], variables: Variables).Exited;
        var screen = await File.ReadAllTextAsync(_folder["screen"]);
        Assert.True(status.Success, screen);
        Assert.Contains("snapshot 17 of job-17", screen, StringComparison.Ordinal);
        var drawn = Line().Matches(screen).Select(m => (Phase: m.Groups[1].Value, Percent: int.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture))).ToList();
        Assert.All(drawn.Where(d => d.Phase == "freezing"), d => Assert.Equal(0, d.Percent));
        Assert.Equal(drawn.Select(d => d.Percent).Order(), drawn.Select(d => d.Percent));
        Assert.Subset(drawn.ToHashSet(), new HashSet<(string, int)> { ("freezing", 0), ("capturing", 100) });
    }

    [Theory]
    [InlineData]
    [InlineData("--json")]
    public async Task Snapshot_NoTerminal_DrawsNothing(params string[] options)
    {
        await using var agent = Agent(TimeSpan.Zero);
        var said = await FloeProgram.RunAsync(["snapshot", .. options], Variables);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Single(said.Out.TrimEnd().Split('\n'));
        Assert.DoesNotContain("%", said.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Percent_WholeIsNotKnown_IsZero() => Assert.Equal([0, 50, 50, 90], Shares(s_course));

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<double> Shares(IEnumerable<CaptureProgress> course)
    {
        var share = new CaptureShare();
        return course.Select(share.Percent).ToList();
    }

    private ControlServer Agent(TimeSpan pause) => new(
        AgentDirectory.Create(_folder.Path, new AgentRecord("job-17", "file:///s", "here")).ControlSocket,
        async (_, reply, cancellationToken) =>
        {
            foreach (var progress in s_course)
            {
                await reply(new ControlReply { Event = "progress", Progress = progress });
                await Task.Delay(pause, cancellationToken);
            }

            await reply(new ControlReply
            {
                Event = "done",
                Snapshot = new SnapshotReport
                {
                    Key = "job-17", Sequence = 17, TaskRuns = false, Processes = 2, ReadBytes = 200 << 20, ZeroBytes = 0, NewBytes = 1, SentBytes = 1, FrozenMillis = 1, TotalMillis = 1,
                },
            });
        },
        NullLogger.Instance);

    [GeneratedRegex(@"(freezing|capturing)[^%\r\n]*?(\d+)%")]
    private static partial Regex Line();
}
