using System.CommandLine;
using Floe.Agent;
using Floe.Aws.Api;
using Floe.Cli.Console;
using Floe.Operations;
using Floe.Operations.Doctor;
using Floe.Operations.Instances;
using Floe.Operations.Nextflow;
using Floe.Operations.Planning;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe nextflow check</c>: says line by line what a configuration misses.</summary>
internal static class NextflowCheckCommand
{
    private const int MaxBytes = 8 << 20;

    private static readonly Argument<string> s_file = new("FILE") { Description = "nextflow.config, the output of 'nextflow config -flat', or - for stdin" };
    private static readonly Option<string[]> s_profile = new("--profile") { HelpName = "NAME", Description = "As nextflow run -profile would have it; may be repeated", DefaultValueFactory = static _ => [] };
    private static readonly Option<string[]> s_types = new("--type") { HelpName = "TYPE", Description = "Instance types of the queue, when AWS is not to be asked; may be repeated", DefaultValueFactory = static _ => [] };
    private static readonly Option<string?> s_bucketRegion = new("--bucket-region") { HelpName = "REGION", Description = "Region of the work directory's bucket, when AWS is not to be asked" };
    private static readonly Option<bool> s_offline = new("--offline") { Description = "Do not ask AWS about bucket and queue" };
    private static readonly Option<bool> s_strict = new("--strict") { Description = "Warnings count as failures" };
    private static readonly Option<bool> s_quiet = new("--quiet", "-q") { Description = "Do not print what passed" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("check", """
            Say of a Nextflow configuration, line by line, what snapshots on AWS Batch will miss, and how to mend it.

            With AWS credentials it also asks where the bucket is, and about the queue's types and image, as 'floe doctor' does.
            Exit status: 0 sound, 1 something failed, 2 wrong usage.

            Examples:
              nextflow config -flat | floe nextflow check -
              floe nextflow check nextflow.config --profile aws --type c6id.8xlarge --offline
            """);
        command.Arguments.Add(s_file);
        foreach (var option in (Option[])[s_profile, s_types, s_bucketRegion, s_offline, s_strict, s_quiet, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var file = parsed.GetValue(s_file)!;
        NextflowConfig config;
        try
        {
            config = NextflowConfig.Read(await TextAsync(file, cancellationToken).ConfigureAwait(false)).WithProfilesOrAll(parsed.GetValue(s_profile)!);
        }
        catch (KeyNotFoundException e)
        {
            throw new FloeException(ExitCodes.Usage, $"--profile: {e.Message}", e);
        }

        if (config.Entries.Count == 0)
        {
            throw new FloeException(ExitCodes.Usage, $"{(file == "-" ? "stdin" : file)} holds no assignment; give a nextflow.config or the output of 'nextflow config -flat'");
        }

        var (surroundings, live) = await SurroundingsAsync(parsed, config, log, cancellationToken).ConfigureAwait(false);
        var findings = NextflowCheck.Run(config, surroundings).Concat(live).ToList();
        return FindingText.Print(new FindingReport(file == "-" ? "stdin" : file, findings), parsed.GetValue(s_json), parsed.GetValue(s_quiet), parsed.GetValue(s_strict));
    }

    private static async Task<(NextflowSurroundings, IReadOnlyList<Finding>)> SurroundingsAsync(ParseResult parsed, NextflowConfig config, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var known = new NextflowSurroundings { BucketRegion = parsed.GetValue(s_bucketRegion) };
        if (parsed.GetValue(s_types) is { Length: > 0 } types)
        {
            try
            {
                known = known with { Types = Planner.Judge(InstanceTable.Embedded(), types, new PlanRequest()).Types };
            }
            catch (KeyNotFoundException e)
            {
                throw new FloeException(ExitCodes.Usage, $"--type: {e.Message}", e);
            }
        }

        if (parsed.GetValue(s_offline))
        {
            return (known with { Unknown = "--offline" }, []);
        }

        using var client = AwsOption.Open(config.Find("aws.region") is { IsExpression: false } region && AwsOptions.IsRegion(region.Word) ? region.Word : null, log);
        if (!await client.HasCredentialsAsync(cancellationToken).ConfigureAwait(false))
        {
            return (known with { Unknown = "no AWS credentials" }, []);
        }

        var bucket = config.Find("workDir") is { } work && StoreUrl.TryParse(work.Word, out _) is { Scheme: "s3" } url ? url.Container : null;
        try
        {
            if (bucket is not null)
            {
                known = known with { BucketRegion = known.BucketRegion ?? await new S3Api(client).BucketRegionAsync(bucket, cancellationToken).ConfigureAwait(false) };
            }

            if (known.Types is not null || config.Directive("queue").FirstOrDefault() is not { IsExpression: false } queue)
            {
                return (known, []);
            }

            var facts = await new EnvironmentReader(client, static _ => { }, new PlanRequest()).ReadAsync(queue.Word, bucket, cancellationToken).ConfigureAwait(false);
            return (known with { Types = [.. facts.Environments.SelectMany(e => e.Types).DistinctBy(t => t.Type)] }, [.. Diagnosis.Of(facts).Where(f => f.Check is not ("bucket" or "instance-types" or "retry-rules"))]);
        }
        catch (AwsException e)
        {
            return (known with { Unknown = e.Message }, []);
        }
    }

    private static async Task<string> TextAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            using var input = file == "-" ? System.Console.OpenStandardInput() : File.OpenRead(file);
            using var bounded = new MemoryStream();
            var buffer = new byte[81920];
            int got;
            while ((got = await input.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                bounded.Write(buffer, 0, got);
                if (bounded.Length > MaxBytes)
                {
                    throw new FloeException(ExitCodes.Usage, $"{file} is larger than {MaxBytes >> 20} MiB; that is no configuration");
                }
            }

            return System.Text.Encoding.UTF8.GetString(bounded.ToArray());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FloeException(ExitCodes.Usage, $"cannot read {file}: {e.Message}", e);
        }
    }

    private static NextflowConfig WithProfilesOrAll(this NextflowConfig config, string[] profiles) => profiles.Length == 0 ? config : config.WithProfiles(profiles.SelectMany(p => p.Split(',')));
}
