using System.CommandLine;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Operations;
using Floe.Operations.Doctor;
using Floe.Operations.Planning;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe doctor</c>: what is wrong with an AWS Batch environment.</summary>
internal static class DoctorCommand
{
    private static readonly Argument<string> s_name = new("NAME") { Description = "A job queue or compute environment: name or ARN" };
    private static readonly Option<string?> s_region = AwsOption.Region();
    private static readonly Option<string?> s_bucket = new("--bucket") { HelpName = "NAME", Description = "Bucket of the work directory or store, also as s3://bucket/path: its region and the right to use it are checked" };
    private static readonly Option<double?> s_memory = Amounts.Memory("--memory", "Memory of one task; default: the machines are judged full");
    private static readonly Option<bool> s_strict = new("--strict") { Description = "Warnings count as failures" };
    private static readonly Option<bool> s_quiet = new("--quiet", "-q") { Description = "Do not print what passed" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("doctor", """
            Check an AWS Batch queue or compute environment against everything that snapshots need.

            Provider, Spot, image and kernel, regions, instance types, launch template, permissions and retry rules are looked at. It only reads.

            Exit status: 0 sound, 1 something failed, 2 wrong usage.

            Example:
              floe doctor floe-work --region eu-central-1 --bucket s3://bucket/work
            """);
        command.Arguments.Add(s_name);
        foreach (var option in (Option[])[s_region, s_bucket, s_memory, s_strict, s_quiet, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var bucket = parsed.GetValue(s_bucket);
        if (bucket is not null)
        {
            var text = bucket.Contains("://", StringComparison.Ordinal) ? bucket : "s3://" + bucket;
            bucket = StoreUrl.TryParse(text, out var error) is { Scheme: "s3" } url ? url.Container : throw new FloeException(ExitCodes.Usage, $"--bucket: {error ?? $"'{bucket}' is no bucket"}");
        }

        using var client = AwsOption.Open(parsed.GetValue(s_region), log);
        var request = new PlanRequest { TaskMemoryGiB = parsed.GetValue(s_memory) };
        var facts = await new EnvironmentReader(client, static why => System.Console.Error.WriteLine($"floe: judging by the embedded table of types: {why}"), request)
            .ReadAsync(parsed.GetValue(s_name)!, bucket, cancellationToken).ConfigureAwait(false);
        return FindingText.Print(new FindingReport(facts.Subject, Diagnosis.Of(facts)), parsed.GetValue(s_json), parsed.GetValue(s_quiet), parsed.GetValue(s_strict));
    }
}
