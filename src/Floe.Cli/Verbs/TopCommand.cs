using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Agent.Control;
using Floe.Cli.Console;

namespace Floe.Cli.Verbs;

/// <summary><c>floe top</c>: watches the agent of a running task.</summary>
internal static class TopCommand
{
    private static readonly Option<string?> s_key = EnvironmentOption.Text("--key", "NAME", "The task; may be left out when only one runs here");
    private static readonly Option<double?> s_interval = Amounts.Number("--interval", "SECONDS", 0.2, 3600, "Time between two looks; default 1");
    private static readonly Option<bool> s_once = new("--once") { Description = "Print one look and end; so it does where stdout is no terminal" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print one look as JSON" };

    public static Command Build()
    {
        var command = new Command("top", """
            Watch a running task: its processes, memory and processors, the reclaim notice with its deadline, the snapshot being taken, the last one.

            Ends with the task, or with Ctrl-C, which the task does not notice.

            Examples:
              floe top
              floe top --key job-17 --json
            """);
        command.Options.Add(s_key);
        command.Options.Add(s_interval);
        command.Options.Add(s_once);
        command.Options.Add(s_json);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var socket = ControlClient.Find(AgentDirectory.Parents(), parsed.GetValue(s_key));
        var status = await AskAsync(socket, cancellationToken).ConfigureAwait(false);
        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(status, ControlJson.Default.AgentStatus));
            return 0;
        }

        var view = new TopView();
        if (parsed.GetValue(s_once) || System.Console.IsOutputRedirected)
        {
            System.Console.WriteLine(string.Join('\n', view.Lines(status, TimeProvider.System.GetUtcNow())));
            return 0;
        }

        return await WatchAsync(view, socket, status, TimeSpan.FromSeconds(parsed.GetValue(s_interval) ?? 1), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Each look is written over the one before; what was there last stays when it ends.</summary>
    private static async Task<int> WatchAsync(TopView view, string socket, AgentStatus status, TimeSpan interval, CancellationToken cancellationToken)
    {
        var height = 0;
        while (true)
        {
            var width = Math.Max(20, System.Console.WindowWidth - 1);
            var lines = view.Lines(status, TimeProvider.System.GetUtcNow()).Select(l => l.Length > width ? l[..width] : l).ToList();
            var up = height > 0 ? $"\e[{height}A" : "";
            System.Console.Write(up + string.Concat(lines.Select(l => $"{l}\e[K\n")));
            height = lines.Count;
            try
            {
                await Task.Delay(interval, TimeProvider.System, cancellationToken).ConfigureAwait(false);
                status = await AskAsync(socket, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return 0;
            }
            catch (FloeException)
            {
                System.Console.WriteLine("the task is gone from this machine; 'floe report' tells its history");
                return 0;
            }
        }
    }

    private static async Task<AgentStatus> AskAsync(string socket, CancellationToken cancellationToken)
    {
        // A connection is for one request.
        using var agent = await ControlClient.ConnectAsync(socket, cancellationToken).ConfigureAwait(false);
        try
        {
            var reply = await agent.AskAsync(new ControlRequest { Verb = "status" }, static _ => { }, cancellationToken).ConfigureAwait(false);
            return reply.Status ?? throw new FloeException(ExitCodes.Usage, "the agent answered without a status; use the floe of the same version");
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            throw new FloeException(ExitCodes.Usage, $"the agent broke off its answer: {e.Message}", e);
        }
    }
}
