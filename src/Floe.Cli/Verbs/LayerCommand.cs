using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Operations.Layers;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe layer</c>: the container layer that carries Floe into task images.</summary>
internal static class LayerCommand
{
    private static readonly Option<string> s_out = new("--out") { HelpName = "DIR", Description = "Folder for the files", Required = true };
    private static readonly Option<string> s_arch = Amounts.Word("--arch", ["amd64", "arm64"], "amd64", "Architecture");
    private static readonly Option<string?> s_urlBase = new("--url-base") { HelpName = "URL", Description = "Where the files will be served from: https://…; without it only the tar is made" };
    private static readonly Option<string?> s_upload = new("--upload") { HelpName = "URL", Description = "Upload the files to s3://bucket/prefix" };
    private static readonly Option<string?> s_bundle = new("--bundle") { HelpName = "DIR", Description = "The bundle. Default: the one that this program runs from" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };
    private static readonly Argument<string> s_file = new("FILE") { Description = "floe-amd64.json, checked against the tar beside it, or a fusion-amd64.tar.gz" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("layer", """
            Build or check the container layer that carries Floe into task images.

            Wave adds the layer to every task image when nextflow.config names its configuration. Without Wave: floe image add-layer.
            """);
        var build = new Command("build", """
            Write fusion-ARCH.tar.gz (the layer) and floe-ARCH.json (Wave's container configuration). The same bundle gives the same bytes.

            Examples:
              floe layer build --out layer --url-base https://my-bucket.s3.eu-central-1.amazonaws.com/floe --upload s3://my-bucket/floe
              floe layer build --out layer
            """);
        foreach (var option in (Option[])[s_out, s_arch, s_urlBase, s_upload, s_bundle, s_json])
        {
            build.Options.Add(option);
        }

        build.SetAction((parsed, cancellationToken) => BuildAsync(parsed, log(), cancellationToken));
        var verify = new Command("verify", """
            Check a layer: digests and size against its configuration, that it holds all that it must, and that only the program is set-user-id root.
            The status is 1 when something is wrong.

            Example:
              floe layer verify layer/floe-amd64.json
            """);
        verify.Arguments.Add(s_file);
        verify.Options.Add(s_json);
        verify.SetAction(VerifyAsync);
        command.Subcommands.Add(build);
        command.Subcommands.Add(verify);
        return command;
    }

    private static async Task<int> BuildAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var urlBase = parsed.GetValue(s_urlBase);
        if (urlBase is not null && !(Uri.TryCreate(urlBase, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"))
        {
            throw new FloeException(ExitCodes.Usage, $"--url-base takes an http or https URL; not '{urlBase}'");
        }

        var bundle = parsed.GetValue(s_bundle) ?? Bundle.Locate().Root;
        var upload = parsed.GetValue(s_upload) is { } target ? StoreOption.Parse(target) : (StoreUrl?)null;
        LayerReport report;
        try
        {
            report = await LayerBuild.BuildAsync(bundle, parsed.GetValue(s_arch)!, parsed.GetValue(s_out)!, urlBase, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FloeException(ExitCodes.Usage, $"cannot write the layer into {parsed.GetValue(s_out)}: {e.Message}", e);
        }

        if (upload is { } place)
        {
            await using var objects = ObjectStores.Open(place, StoreOptions.FromEnvironment(), log, TimeProvider.System);
            await LayerBuild.UploadAsync(report, objects, cancellationToken).ConfigureAwait(false);
        }

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(report, LayerJson.Default.LayerReport));
            return 0;
        }

        System.Console.WriteLine($"{report.Layer}  {Sizes.Bytes(report.Digests.GzipSize)}, {report.Digests.GzipDigest}");
        if (report.Configuration is null)
        {
            System.Console.WriteLine("no configuration for Wave without --url-base; for images of your own: floe image add-layer");
            return 0;
        }

        System.Console.WriteLine(report.Configuration);
        System.Console.WriteLine($"nextflow.config: fusion.containerConfigUrl = '{report.ConfigUrl}'");
        return 0;
    }

    private static async Task<int> VerifyAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var file = parsed.GetValue(s_file)!;
        var problems = await LayerBuild.VerifyAsync(file, cancellationToken).ConfigureAwait(false);
        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(new LayerVerdict(file, problems), LayerJson.Default.LayerVerdict));
            return problems.Count == 0 ? 0 : 1;
        }

        foreach (var problem in problems.DefaultIfEmpty($"{file}: sound"))
        {
            System.Console.WriteLine(problem);
        }

        return problems.Count == 0 ? 0 : 1;
    }
}
