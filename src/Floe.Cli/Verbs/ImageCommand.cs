using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Operations.Layers;

namespace Floe.Cli.Verbs;

/// <summary><c>floe image add-layer</c>: the layer into an image without Wave and without a container engine.</summary>
internal static class ImageCommand
{
    private static readonly Argument<string> s_image = new("IMAGE") { Description = "An OCI image layout (a folder, changed in place) or a docker archive (a tar)" };
    private static readonly Option<string> s_layer = new("--layer") { HelpName = "FILE", Description = "The layer that 'floe layer build' wrote", Required = true };
    private static readonly Option<string?> s_out = new("--out") { HelpName = "FILE", Description = "The new docker archive; needed for an archive" };
    private static readonly Option<string> s_arch = Amounts.Word("--arch", ["amd64", "arm64"], "amd64", "Which image of a layout for several architectures");
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build()
    {
        var add = new Command("add-layer", """
            Add Floe's layer and entry point to an image, offline. The old entry point is kept and still runs.

            Examples:
              skopeo copy docker://quay.io/me/tool:1 oci:tool && floe image add-layer tool --layer layer/fusion-amd64.tar.gz
              docker save me/tool:1 -o tool.tar && floe image add-layer tool.tar --layer layer/fusion-amd64.tar.gz --out tool-floe.tar
            """);
        add.Arguments.Add(s_image);
        foreach (var option in (Option[])[s_layer, s_out, s_arch, s_json])
        {
            add.Options.Add(option);
        }

        add.SetAction(RunAsync);
        return new Command("image", "Add Floe's layer to a container image, without Wave and without a container engine.") { add };
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        try
        {
            return await AddAsync(parsed, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FloeException(ExitCodes.Usage, $"cannot add the layer to {parsed.GetValue(s_image)}: {e.Message}", e);
        }
    }

    private static async Task<int> AddAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var image = parsed.GetValue(s_image)!;
        var layer = parsed.GetValue(s_layer)!;
        var problems = await LayerBuild.VerifyAsync(layer, cancellationToken).ConfigureAwait(false);
        if (problems.Count > 0)
        {
            throw new FloeException(ExitCodes.Usage, problems[0]);
        }

        await using var file = File.OpenRead(layer);
        var (digests, _) = await LayerArchive.ReadAsync(file, cancellationToken).ConfigureAwait(false);
        ImageReport report;
        if (OciLayout.IsOne(image))
        {
            report = await OciLayout.AddLayerAsync(image, layer, digests, parsed.GetValue(s_arch)!, cancellationToken).ConfigureAwait(false);
        }
        else if (!File.Exists(image))
        {
            throw new FloeException(ExitCodes.Usage, $"{image} is neither an OCI image layout nor a docker archive");
        }
        else
        {
            var output = parsed.GetValue(s_out) ?? throw new FloeException(ExitCodes.Usage, "say with --out where the new archive goes");
            report = await DockerArchive.AddLayerAsync(image, output, layer, digests, cancellationToken).ConfigureAwait(false);
        }

        System.Console.WriteLine(parsed.GetValue(s_json)
            ? JsonSerializer.Serialize(report, LayerJson.Default.ImageReport)
            : $"{report.Path}: {report.Layers} layers, configuration {report.ConfigDigest}, entry point {LayerArchive.EntryPoint}");
        return 0;
    }
}
