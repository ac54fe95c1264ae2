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
            keys.Add(StoreSession.Key(one));
        }
        else
        {
            await foreach (var key in session.Store.ListTasksAsync(cancellationToken).ConfigureAwait(false))
            {
                keys.Add(key);
            }
        }

        var sound = true;
        foreach (var key in keys)
        {
            var report = await session.Store.VerifyAsync(key, null, cancellationToken).ConfigureAwait(false);
            sound &= report.IsSound;
            if (parsed.GetValue(s_json))
            {
                System.Console.WriteLine(JsonSerializer.Serialize(report, VerbJson.Default.VerifyReport));
                continue;
            }

            foreach (var problem in report.Problems)
            {
                System.Console.WriteLine($"{key} snapshot {problem.Seq}: {problem.ObjectKey}: {problem.Problem}");
            }

            System.Console.WriteLine($"{key}: {report.Snapshots.Count} snapshots, {Sizes.Bytes(report.BytesRead)} read, {(report.IsSound ? "sound" : $"{report.Problems.Count} problems")}");
        }

        return sound ? 0 : ExitCodes.StoreError;
    }
}
