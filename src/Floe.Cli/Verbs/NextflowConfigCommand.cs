using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Floe.Agent;
using Floe.Aws.Api;
using Floe.Cli.Console;
using Floe.Operations.Instances;
using Floe.Operations.Nextflow;
using Floe.Operations.Planning;
using Floe.S3;

namespace Floe.Cli.Verbs;

/// <summary><c>floe nextflow config</c>: the snippet for nextflow.config.</summary>
internal static class NextflowConfigCommand
{
    private static readonly Option<string?> s_work = new("--work") { HelpName = "URL", Description = "Work directory: s3://bucket/path" };
    private static readonly Option<string?> s_region = new("--region") { HelpName = "REGION", Description = "AWS region of bucket and queue" };
    private static readonly Option<string?> s_queue = new("--queue") { HelpName = "NAME", Description = "Job queue on Spot machines" };
    private static readonly Option<string?> s_layer = new("--layer") { HelpName = "URL", Description = "Configuration of Floe's layer: https://…/floe-amd64.json" };
    private static readonly Option<string[]> s_types = new("--type") { HelpName = "TYPE", Description = "Instance types of the queue: process.resourceLimits follow from them; may be repeated", DefaultValueFactory = static _ => [] };
    private static readonly Option<double?> s_attempts = Amounts.Number("--attempts", "N", 2, 10, "Attempts of a task in all; default 5");
    private static readonly Option<string> s_volume = new("--volume") { HelpName = "HOST:CONTAINER", Description = "Fast storage", DefaultValueFactory = static _ => "/scratch/fusion:/tmp" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print the parts and the snippet as JSON" };

    public static Command Build()
    {
        var command = new Command("config", """
            Print the snippet for nextflow.config: Fusion with Floe's layer, Wave, volumes, Spot attempts, what to do with Floe's exit codes, limits.

            What is not given stands there as a comment that says what belongs in its place.

            Example:
              floe nextflow config --work s3://bucket/work --region eu-central-1 --queue floe-work --type c6id.8xlarge >> nextflow.config
            """);
        foreach (var option in (Option[])[s_work, s_region, s_queue, s_layer, s_types, s_attempts, s_volume, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        if (parsed.GetValue(s_work) is { } work && StoreUrl.TryParse(work, out var problem) is not { Scheme: "s3" })
        {
            throw new FloeException(ExitCodes.Usage, $"--work: {problem ?? $"'{work}' is not in S3; write s3://bucket/path"}");
        }

        if (parsed.GetValue(s_region) is { } region && !AwsOptions.IsRegion(region))
        {
            throw new FloeException(ExitCodes.Usage, $"--region: '{region}' is no AWS region; they are written like eu-central-1");
        }

        if (parsed.GetValue(s_layer) is { } layer && !(Uri.TryCreate(layer, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" or "file"))
        {
            throw new FloeException(ExitCodes.Usage, $"--layer: '{layer}' is neither an http(s): nor a file: address");
        }

        if (parsed.GetValue(s_volume)!.Split(':') is not [['/', ..], ['/', ..]])
        {
            throw new FloeException(ExitCodes.Usage, $"--volume takes /host/folder:/container/folder; not '{parsed.GetValue(s_volume)}'");
        }

        var request = new SnippetRequest
        {
            WorkDirectory = parsed.GetValue(s_work),
            Region = parsed.GetValue(s_region),
            Queue = parsed.GetValue(s_queue),
            LayerUrl = parsed.GetValue(s_layer),
            SpotAttempts = (int)(parsed.GetValue(s_attempts) ?? 5),
            Volume = parsed.GetValue(s_volume)!,
            Limits = Limits(parsed.GetValue(s_types)!),
        };
        var snippet = NextflowSnippet.Write(request);
        System.Console.Write(parsed.GetValue(s_json)
            ? JsonSerializer.Serialize(new SnippetAnswer(request, snippet), SnippetJson.Default.SnippetAnswer) + "\n"
            : snippet);
        return 0;
    }

    private static ResourceLimits? Limits(string[] types)
    {
        try
        {
            return types.Length == 0 ? null : Planner.Judge(InstanceTable.Embedded(), types, new PlanRequest()).Limits;
        }
        catch (KeyNotFoundException e)
        {
            throw new FloeException(ExitCodes.Usage, $"--type: {e.Message}", e);
        }
    }
}

/// <summary>What `floe nextflow config --json` prints.</summary>
internal sealed record SnippetAnswer(SnippetRequest Request, string Snippet);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SnippetAnswer))]
internal sealed partial class SnippetJson : JsonSerializerContext;
