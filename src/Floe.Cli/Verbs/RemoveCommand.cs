using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe rm</c>: removes a task, or one of its snapshots, from a store.</summary>
internal static class RemoveCommand
{
    private static readonly Option<long?> s_snapshot = Amounts.Whole("--snapshot", "N", 1, long.MaxValue, "Only this snapshot of the task");
    private static readonly Option<bool> s_force = new("--force") { Description = "Even while a machine holds the task: its next commit then fails" };
    private static readonly Option<bool> s_json = StoreVerb.Json();
    private static readonly Argument<string> s_key = StoreVerb.Key();

    public static Command Build(Func<ILoggerFactory> log) => StoreVerb.Build("rm", """
        Remove a task with all its snapshots from a store, or one snapshot of it.
        Refused while a machine holds the task, or when its lease cannot be read, unless --force.

        Example:
          floe rm job-17 --store s3://bucket/floe
        """, [s_key, s_snapshot, s_force, s_json], log, RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, StoreSession session, CancellationToken cancellationToken)
    {
        var key = StoreSession.Key(parsed.GetValue(s_key));
        var snapshots = await ReadAsync(session, key, parsed.GetValue(s_force), cancellationToken).ConfigureAwait(false);
        IReadOnlyList<long> removed = [.. snapshots.Select(s => s.Seq)];
        var request = new LeaseRequest { HolderId = Guid.NewGuid().ToString("n"), Host = Environment.MachineName };
        try
        {
            if (parsed.GetValue(s_snapshot) is { } seq)
            {
                if (snapshots.All(s => s.Seq != seq))
                {
                    throw StoreVerb.NoSuchSnapshot(session, key, seq, snapshots);
                }

                await session.Store.DeleteSnapshotAsync(key, seq, request, cancellationToken).ConfigureAwait(false);
                removed = [seq];
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

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(new RemovalReport(key.Value, removed, parsed.GetValue(s_snapshot) is null), VerbJson.Default.RemovalReport));
        }

        return 0;
    }

    private static async Task<IReadOnlyList<SnapshotListing>> ReadAsync(StoreSession session, TaskKey key, bool force, CancellationToken cancellationToken)
    {
        try
        {
            return (await StoreVerb.ReadTaskAsync(session, key, cancellationToken).ConfigureAwait(false)).Snapshots;
        }
        catch (SnapshotDamagedException) when (force)
        {
            // Then it goes unread.
            return [];
        }
    }
}
