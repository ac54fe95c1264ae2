using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe verify</c>: reads every byte of stored snapshots again.</summary>
internal static class VerifyCommand
{
    private static readonly Option<bool> s_json = StoreVerb.Json();
    private static readonly Argument<string?> s_key = new("KEY") { Description = "The task; all tasks when left out", Arity = ArgumentArity.ZeroOrOne };

    public static Command Build(Func<ILoggerFactory> log) => StoreVerb.Build("verify", """
        Read every byte of a task's snapshots again and check it. Damaged objects are named; the status is then 174.

        Examples:
          floe verify --store s3://bucket/floe
          floe verify job-17 --store s3://bucket/floe --json
        """, [s_key, s_json], log, RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, StoreSession session, CancellationToken cancellationToken)
    {
        var keys = new List<TaskKey>();
        if (parsed.GetValue(s_key) is { } one)
        {
            var key = StoreSession.Key(one);
            await RequireAsync(session, key, cancellationToken).ConfigureAwait(false);
            keys.Add(key);
        }
        else
        {
            await foreach (var key in session.Store.ListTasksAsync(cancellationToken).ConfigureAwait(false))
            {
                keys.Add(key);
            }
        }

        var rows = new List<VerifyRow>();
        foreach (var key in keys)
        {
            var report = await VerifyAsync(session.Store, key, cancellationToken).ConfigureAwait(false);
            rows.Add(new VerifyRow(key.Value, report.Snapshots, report.BytesRead, report.IsSound, report.Problems));
            if (!parsed.GetValue(s_json))
            {
                Print(rows[^1]);
            }
        }

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(rows, VerbJson.Default.IReadOnlyListVerifyRow));
        }

        return rows.All(r => r.IsSound) ? 0 : ExitCodes.StoreError;
    }

    /// <exception cref="FloeException">The store has no such task.</exception>
    private static async Task RequireAsync(StoreSession session, TaskKey key, CancellationToken cancellationToken)
    {
        try
        {
            _ = await StoreVerb.ReadTaskAsync(session, key, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (StoreVerb.IsUnreadable(e))
        {
            // There is one, and its report will say what is wrong with it.
        }
    }

    private static async Task<VerifyReport> VerifyAsync(SnapshotStore store, TaskKey key, CancellationToken cancellationToken)
    {
        try
        {
            return await store.VerifyAsync(key, null, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (StoreVerb.IsUnreadable(e))
        {
            // Not a snapshot but what stands above them: the lease.
            return new VerifyReport([], 0, [new SnapshotProblem(0, (e as SnapshotDamagedException)?.ObjectKey ?? "", e.Message)]);
        }
    }

    private static void Print(VerifyRow row)
    {
        foreach (var problem in row.Problems)
        {
            System.Console.WriteLine(Printable.Text(
                problem.Seq == 0 ? $"{row.Key}: {problem.Problem}" : $"{row.Key} snapshot {problem.Seq}: {problem.ObjectKey}: {problem.Problem}"));
        }

        System.Console.WriteLine($"{row.Key}: {row.Snapshots.Count} snapshots, {Sizes.Bytes(row.BytesRead)} read, {(row.IsSound ? "sound" : $"{row.Problems.Count} problems")}");
    }
}
