using System.Collections.Concurrent;
using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
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
        A task that cannot be read is listed with the reason; the status is then 174.

        Example:
          floe list --store s3://bucket/floe
        """, [s_json], log, RunAsync);

    /// <summary>Each is a few calls one after the other, and of a store behind a network all that they take is the time until it answers.</summary>
    private const int TasksAtOnce = 64;

    private static async Task<int> RunAsync(ParseResult parsed, StoreSession session, CancellationToken cancellationToken)
    {
        var rows = await RowsAsync(session.Store, cancellationToken).ConfigureAwait(false);
        var status = rows.Any(r => r.Problem is not null) ? ExitCodes.StoreError : 0;
        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(rows, VerbJson.Default.IReadOnlyListTaskRow));
            return status;
        }

        if (rows.Count == 0)
        {
            System.Console.WriteLine($"no tasks in {session.Url}");
            return 0;
        }

        var table = new Table("TASK", ">SNAPSHOTS", "NEWEST", ">SIZE", ">STORED", "HELD BY", "COMMAND");
        foreach (var row in rows)
        {
            if (row.Problem is { } problem)
            {
                table.Row(row.Key, $"damaged: {problem}");
                continue;
            }

            table.Row(row.Key, row.Snapshots.ToString(), row.NewestAt?.ToString("yyyy-MM-dd HH:mm:ss'Z'") ?? "-", Sizes.Bytes(row.RawBytes), Sizes.Bytes(row.StoredBytes), row.Lease, Shorten(Printable.Command(row.Words)));
        }

        table.Print();
        return status;
    }

    /// <summary>Sorted by key.</summary>
    private static async Task<IReadOnlyList<TaskRow>> RowsAsync(SnapshotStore store, CancellationToken cancellationToken)
    {
        var rows = new ConcurrentBag<TaskRow>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = TasksAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(store.ListTasksAsync(cancellationToken), options, async (key, token) =>
        {
            try
            {
                if (await RowAsync(store, key, token).ConfigureAwait(false) is { } row)
                {
                    rows.Add(row);
                }
            }
            catch (Exception e) when (StoreVerb.IsUnreadable(e))
            {
                rows.Add(new TaskRow(key.Value, 0, 0, null, 0, 0, "", "", e.Message));
            }
        }).ConfigureAwait(false);
        return [.. rows.OrderBy(r => r.Key, StringComparer.Ordinal)];
    }

    /// <summary>Null for what is only the trace of a task that has ended: 'floe report' reads those.</summary>
    private static async Task<TaskRow?> RowAsync(SnapshotStore store, TaskKey key, CancellationToken cancellationToken)
    {
        var (snapshots, lease) = await store.ReadTaskAsync(key, cancellationToken).ConfigureAwait(false);
        var newest = snapshots.Select(s => s.Manifest).FirstOrDefault(m => m is not null);
        return snapshots.Count == 0 && lease is null
            ? null
            : new TaskRow(
                key.Value, snapshots.Count(s => s.Manifest is not null), newest?.Seq ?? 0, newest?.CreatedAt, newest?.Totals.RawBytes ?? 0,
                newest?.Packs.Sum(p => p.Size) ?? 0, Holder(lease), newest is null ? "" : string.Join(' ', newest.Task.Command)) { Words = newest?.Task.Command ?? [] };
    }

    internal static string Holder(LeaseInfo? lease) => lease switch
    {
        null => "nobody",
        { State: LeaseState.Held } => lease.Host,
        { State: LeaseState.HandedOver } => "nobody (handed over)",
        _ => "nobody",
    };

    private static string Shorten(string command) => command.Length <= 60 ? command : command[..(char.IsHighSurrogate(command[58]) ? 58 : 59)] + "…";
}
