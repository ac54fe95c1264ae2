using System.CommandLine;
using System.Text.Json;
using Floe.Cli.Console;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe list</c>: the tasks of a store.</summary>
internal static class ListCommand
{
    private static readonly Option<bool> s_json = StoreVerb.Json();

    public static Command Build(Func<ILoggerFactory> log) => StoreVerb.Build("list", """
        List the tasks of a store: how many snapshots each has, how large, and who holds it.

        Example:
          floe list --store s3://bucket/floe
        """, [s_json], log, RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, StoreSession session, CancellationToken cancellationToken)
    {
        var rows = new List<TaskRow>();
        await foreach (var key in session.Store.ListTasksAsync(cancellationToken).ConfigureAwait(false))
        {
            var snapshots = await session.Store.ListSnapshotsAsync(key, cancellationToken).ConfigureAwait(false);
            var newest = snapshots.Select(s => s.Manifest).FirstOrDefault(m => m is not null);
            var lease = await session.Store.ReadLeaseAsync(key, cancellationToken).ConfigureAwait(false);
            if (snapshots.Count == 0 && lease is null)
            {
                // Only the trace of a task that has ended: 'floe report' reads those.
                continue;
            }

            rows.Add(new TaskRow(
                key.Value, snapshots.Count(s => s.Manifest is not null), newest?.Seq ?? 0, newest?.CreatedAt, newest?.Totals.RawBytes ?? 0,
                newest?.Packs.Sum(p => p.Size) ?? 0, Holder(lease), newest is null ? "" : string.Join(' ', newest.Task.Command)));
        }

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(rows, VerbJson.Default.IReadOnlyListTaskRow));
            return 0;
        }

        if (rows.Count == 0)
        {
            System.Console.WriteLine($"no tasks in {session.Url}");
            return 0;
        }

        var table = Tables.New("TASK", ">SNAPSHOTS", "NEWEST", ">SIZE", ">STORED", "HELD BY", "COMMAND");
        foreach (var row in rows)
        {
            table.Row(row.Key, row.Snapshots.ToString(), row.NewestAt?.ToString("yyyy-MM-dd HH:mm:ss'Z'") ?? "-", Sizes.Bytes(row.RawBytes), Sizes.Bytes(row.StoredBytes), row.Lease, Shorten(row.Command));
        }

        Tables.Print(table);
        return 0;
    }

    internal static string Holder(LeaseInfo? lease) => lease switch
    {
        null => "nobody",
        { State: LeaseState.Held } => lease.Host,
        { State: LeaseState.HandedOver } => "nobody (handed over)",
        _ => "nobody",
    };

    private static string Shorten(string command) => command.Length <= 60 ? command : command[..59] + "…";
}
