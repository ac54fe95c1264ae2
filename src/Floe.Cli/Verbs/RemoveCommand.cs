using System.CommandLine;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe rm</c>: removes a task, or one of its snapshots, from a store.</summary>
internal static class RemoveCommand
{
    private static readonly Option<string?> s_store = EnvironmentOption.Text("--store", "URL", "The store: s3://bucket/prefix or file:///folder");
    private static readonly Option<long?> s_snapshot = new("--snapshot") { HelpName = "N", Description = "Only this snapshot of the task" };
    private static readonly Option<bool> s_force = new("--force") { Description = "Even while a machine holds the task: its next commit then fails" };
    private static readonly Argument<string> s_key = new("KEY") { Description = "The task" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("rm", """
            Remove a task with all its snapshots from a store, or one snapshot of it.
            Refused while a machine holds the task, unless --force.

            Example:
              floe rm job-17 --store s3://bucket/floe
            """);
        command.Arguments.Add(s_key);
        command.Options.Add(s_store);
        command.Options.Add(s_snapshot);
        command.Options.Add(s_force);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var key = StoreSession.Key(parsed.GetValue(s_key));
        await using var session = await StoreSession.OpenAsync(parsed.GetValue(s_store), log, cancellationToken).ConfigureAwait(false);
        var snapshots = await session.Store.ListSnapshotsAsync(key, cancellationToken).ConfigureAwait(false);
        var lease = await session.Store.ReadLeaseAsync(key, cancellationToken).ConfigureAwait(false);
        if (snapshots.Count == 0 && lease is null)
        {
            throw new FloeException(ExitCodes.Usage, $"no task '{key}' in {session.Url}; 'floe list' shows what there is");
        }

        var request = new LeaseRequest { HolderId = Guid.NewGuid().ToString("n"), Host = Environment.MachineName };
        try
        {
            if (parsed.GetValue(s_snapshot) is { } seq)
            {
                if (snapshots.All(s => s.Seq != seq))
                {
                    throw new FloeException(ExitCodes.Usage, $"task '{key}' has no snapshot {seq}; it has {string.Join(", ", snapshots.Select(s => s.Seq))}");
                }

                await session.Store.DeleteSnapshotAsync(key, seq, request, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await session.Store.DeleteTaskAsync(key, request, parsed.GetValue(s_force), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (LeaseRefusedException e)
        {
            throw new FloeException(ExitCodes.StoreError, $"{e.Message}; nothing was removed", e);
        }

        return 0;
    }
}
