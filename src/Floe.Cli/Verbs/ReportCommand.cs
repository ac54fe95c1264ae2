using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Operations.Reporting;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe report</c>: one HTML page of what reclaims cost and saved, from the traces of tasks.</summary>
internal static class ReportCommand
{
    private static readonly Argument<string[]> s_sources = new("SOURCE")
    {
        Description = "A store or bucket prefix (s3://…), a work directory, or a trace.json; several are put together. Default: the store that 'floe run' uses here",
        Arity = ArgumentArity.ZeroOrMore,
    };
    private static readonly Option<string> s_output = new("--output", "-o") { HelpName = "FILE", Description = "Where the page goes; - for stdout", DefaultValueFactory = static _ => "floe-report.html" };
    private static readonly Option<string> s_title = new("--title") { HelpName = "TEXT", Description = "Heading of the page", DefaultValueFactory = static _ => "Floe: what the reclaims cost and saved" };
    private static readonly Option<string[]> s_price = new("--price")
    {
        HelpName = "[TYPE=]PRICE",
        Description = "Price of a machine's hour, for all types or one; may be repeated",
        DefaultValueFactory = static _ => [],
    };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print the report as JSON instead of writing a page" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("report", """
            Write one HTML page about the tasks of a store or a work directory: reclaims survived, work and money saved, what was stored, and each task's timeline.

            It reads the trace.json that 'floe run' writes, and needs no network to be looked at.

            Examples:
              floe report s3://bucket/floe --spot-history -o report.html
              floe report work/ --price 0.41 --price r6id.4xlarge=0.52
              floe report s3://bucket/floe --json | jq .totals
            """);
        command.Arguments.Add(s_sources);
        foreach (var option in (Option[])[s_output, s_title, s_price, SpotPriceOption.History, SpotPriceOption.Share, SpotPriceOption.Region, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var sources = parsed.GetValue(s_sources) is { Length: > 0 } named ? named : [StoreOption.Parse(Environment.GetEnvironmentVariable("FLOE_STORE") is { Length: > 0 } set ? set : null).ToString()];
        var reading = new TraceSources(url => ObjectStores.Open(url, StoreOptions.FromEnvironment(), log, TimeProvider.System));
        Report report;
        try
        {
            foreach (var source in sources)
            {
                await reading.ReadAsync(source, cancellationToken).ConfigureAwait(false);
            }

            var prices = await SpotPriceOption.ReadAsync(parsed, parsed.GetValue(s_price) ?? [], reading.Found, log, cancellationToken).ConfigureAwait(false);
            report = ReportBuilder.Build(parsed.GetValue(s_title)!, sources, reading.Found, reading.Skipped, prices, TimeProvider.System.GetUtcNow());
        }
        catch (Exception e) when (e is FormatException or FileNotFoundException)
        {
            throw new FloeException(ExitCodes.Usage, e.Message, e);
        }

        if (parsed.GetValue(s_json))
        {
            using var stdout = System.Console.OpenStandardOutput();
            await JsonSerializer.SerializeAsync(stdout, report, ReportJson.Default.Report, cancellationToken).ConfigureAwait(false);
            System.Console.WriteLine();
            return 0;
        }

        await WriteAsync(report, parsed.GetValue(s_output)!, cancellationToken).ConfigureAwait(false);
        return 0;
    }

    private static async Task WriteAsync(Report report, string output, CancellationToken cancellationToken)
    {
        if (output == "-")
        {
            using var stdout = System.Console.OpenStandardOutput();
            await ReportPage.WriteAsync(report, stdout, cancellationToken).ConfigureAwait(false);
            return;
        }

        try
        {
            var file = File.Create(output);
            await using (file.ConfigureAwait(false))
            {
                await ReportPage.WriteAsync(report, file, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FloeException(ExitCodes.Usage, $"cannot write {output}: {e.Message}", e);
        }

        var totals = report.Totals;
        System.Console.WriteLine($"{output}: {totals.Tasks} task{(totals.Tasks == 1 ? "" : "s")}, {totals.Survived} of {totals.Reclaims} reclaims survived, {totals.SavedSeconds / 3600:0.#} h of work carried over"
            + (report.Skipped.Count > 0 ? $"; {report.Skipped.Count} file{(report.Skipped.Count == 1 ? " was" : "s were")} no trace" : ""));
        if (totals.Tasks == 0)
        {
            System.Console.Error.WriteLine($"floe: no trace.json in {string.Join(", ", report.Sources)}: 'floe run' writes them into its store, or where --trace says");
        }
    }
}
