using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Floe.Agent;
using Floe.Agent.Collecting;
using Floe.Cli.Console;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe gc</c>: what machines that died left in a bucket.</summary>
internal static class GcCommand
{
    // A hundred years.
    private const long MaxAgeSeconds = 36_500L * 86_400;

    private static readonly Option<string> s_olderThan = new("--older-than")
    {
        HelpName = "AGE",
        Description = "Only what is older: 30m, 12h, 7d. A snapshot that waits to be resumed may go on with an upload, so do not go below that wait",
        DefaultValueFactory = _ => "7d",
    };

    private static readonly Option<bool> s_dryRun = new("--dry-run") { Description = "Only list" };
    private static readonly Option<bool> s_json = StoreVerb.Json();
    private static readonly Argument<string> s_url = new("URL") { Description = "s3://bucket/prefix: a work directory, or a store" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("gc", """
            Remove what dead machines left under a prefix: unfinished uploads, and tasks with their snapshots.

            Tasks are looked for in the store that the prefix is, and in the work directories below it (.floe/). Nothing goes that a machine has
            touched since, by the bucket's clock.

            Exit status: 0; 174 the bucket failed, or something could not be removed; 2 wrong usage.

            Examples:
              floe gc s3://bucket/work --dry-run
              floe gc s3://bucket/floe --older-than 3d
            """);
        command.Arguments.Add(s_url);
        command.Options.Add(s_olderThan);
        command.Options.Add(s_dryRun);
        command.Options.Add(s_json);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var url = StoreUrl.TryParse(parsed.GetValue(s_url)!, out var error) ?? throw new FloeException(ExitCodes.Usage, error!);
        if (url.Scheme != "s3")
        {
            throw new FloeException(ExitCodes.Usage, $"'{url}': unfinished uploads are in buckets only; write s3://bucket/prefix");
        }

        var age = Age(parsed.GetValue(s_olderThan)!);
        var removes = !parsed.GetValue(s_dryRun);
        List<GcRow> rows = [];
        try
        {
            await CollectAsync(rows, url, age, removes, log, cancellationToken).ConfigureAwait(false);
        }
        catch when (rows.Count > 0)
        {
            // What is removed is removed.
            Print(rows, parsed.GetValue(s_json), url);
            throw;
        }

        Print(rows, parsed.GetValue(s_json), url);
        return rows.Count(row => row.Problem is not null) is > 0 and var failed
            ? throw new FloeException(ExitCodes.StoreError, $"{failed} of {rows.Count} could not be removed")
            : 0;
    }

    private static async Task CollectAsync(List<GcRow> rows, StoreUrl url, TimeSpan age, bool removes, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var buckets = BucketServices.Open(StoreOptions.FromEnvironment(), log);
        await using (buckets.ConfigureAwait(false))
        {
            var collector = new LeftoverCollector(buckets, store => ObjectStores.Open(store, StoreOptions.FromEnvironment(), log), TimeProvider.System);
            await foreach (var found in collector.CollectAsync(url, age, removes, cancellationToken).ConfigureAwait(false))
            {
                rows.Add(new GcRow(found.Kind == LeftoverKind.Upload ? "upload" : "task", found.What, found.Since, found.IsRemoved, found.Problem));
            }
        }
    }

    private static void Print(List<GcRow> rows, bool asJson, StoreUrl url)
    {
        if (asJson)
        {
            System.Console.WriteLine(JsonSerializer.Serialize(rows, VerbJson.Default.IReadOnlyListGcRow));
            return;
        }

        if (rows.Count == 0)
        {
            System.Console.WriteLine($"nothing to remove under {url}");
            return;
        }

        var table = new Table("KIND", "WHAT", "SINCE", "");
        foreach (var row in rows)
        {
            table.Row(row.Kind, row.What, row.Since.ToString("yyyy-MM-dd HH:mm:ss'Z'"), row.Problem ?? (row.IsRemoved ? "removed" : "would be removed"));
        }

        table.Print();
    }

    private static TimeSpan Age(string text)
    {
        var unit = text.Length == 0 ? '\0' : text[^1];
        var seconds = unit switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        return seconds > 0 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? (long)number * seconds <= MaxAgeSeconds ? TimeSpan.FromSeconds((long)number * seconds) : throw new FloeException(ExitCodes.Usage, $"--older-than: no bucket has what is as old as '{text}'")
            : throw new FloeException(ExitCodes.Usage, $"--older-than takes a number with s, m, h or d behind it, like 7d; not '{text}'");
    }
}

/// <summary>Something that a dead machine left. <paramref name="Kind"/>: upload or task. <paramref name="Problem"/>: why it is still there though it was to go.</summary>
internal sealed record GcRow(string Kind, string What, DateTimeOffset Since, bool IsRemoved, string? Problem);
