using System.CommandLine;
using System.Text.Json;
using Floe.Agent.Control;
using Floe.Cli.Console;
using Spectre.Console;

namespace Floe.Cli.Verbs;

/// <summary><c>floe snapshot</c>: asks the agent of a running task for a snapshot and waits until it is committed.</summary>
internal static class SnapshotCommand
{
    private static readonly Option<string?> s_key = EnvironmentOption.Text("--key", "NAME", "The task; may be left out when only one runs here");
    private static readonly Option<bool> s_leaveRunning = new("--leave-running") { Description = "Let the task run on here after the snapshot" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print the result as JSON" };

    // Held until the program ends; a collected socket would be a closed one.
    private static ControlClient? s_agent;

    public static Command Build()
    {
        var command = new Command("snapshot", """
            Freeze a running task and commit a snapshot of it to its store.

            The task then ends here ('floe run' exits 75) and goes on wherever the same 'floe run' line is run next;
            with --leave-running it goes on here. If the snapshot fails, the task runs on untouched and the status is 175.

            Examples:
              floe snapshot
              floe snapshot --key job-17 --leave-running --json
            """);
        command.Options.Add(s_key);
        command.Options.Add(s_leaveRunning);
        command.Options.Add(s_json);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var socket = ControlClient.Find(AgentDirectory.Parents(), parsed.GetValue(s_key));

        // Not disposed: in the agent's container our end must come before its end, see ControlClient.
        var agent = s_agent = await ControlClient.ConnectAsync(socket, cancellationToken).ConfigureAwait(false);
        var request = new ControlRequest { Verb = "snapshot", LeaveRunning = parsed.GetValue(s_leaveRunning) };
        var json = parsed.GetValue(s_json);
        var reply = System.Console.IsErrorRedirected || json
            ? await agent.AskAsync(request, static _ => { }, cancellationToken).ConfigureAwait(false)
            : await AskWithBarAsync(agent, request, cancellationToken).ConfigureAwait(false);
        var report = reply.Snapshot!;
        if (json)
        {
            System.Console.WriteLine(JsonSerializer.Serialize(report, ControlJson.Default.SnapshotReport));
        }
        else
        {
            System.Console.WriteLine(
                $"snapshot {report.Sequence} of {Printable.Text(report.Key)}: {Sizes.Bytes(report.ReadBytes)} in {report.Processes} processes, " +
                $"{Sizes.Bytes(report.SentBytes)} sent, frozen {report.FrozenMillis} ms" + (report.TaskRuns ? "; the task runs on" : "; the task ended here, run it again to resume"));
        }

        return 0;
    }

    private static Task<ControlReply> AskWithBarAsync(ControlClient agent, ControlRequest request, CancellationToken cancellationToken)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(System.Console.Error) });
        return console.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                var bar = context.AddTask("freezing");
                var share = new CaptureShare();
                var reply = await agent.AskAsync(request, progress =>
                {
                    bar.Description = $"{Printable.Text(progress.Phase).EscapeMarkup()} {Sizes.Bytes(progress.ReadBytes)}, {Sizes.Bytes(progress.SentBytes)} sent";
                    bar.Value = share.Percent(progress);
                }, cancellationToken).ConfigureAwait(false);
                bar.Value = bar.MaxValue;
                return reply;
            });
    }
}
