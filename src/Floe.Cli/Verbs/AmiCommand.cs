using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Floe.Cli.Console;
using Floe.Operations.Images;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe ami</c>: the image that a compute environment should have.</summary>
internal static class AmiCommand
{
    private static readonly Option<string?> s_region = AwsOption.Region();
    private static readonly Option<string> s_arch = Amounts.Word("--arch", ["x86_64", "arm64"], "x86_64", "Architecture");
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("ami", """
            Print the Amazon Linux 2023 image for ECS that AWS recommends in a region: its kernel can freeze and thaw tasks.

            Asks SSM (ssm:GetParameter) for /aws/service/ecs/optimized-ami/amazon-linux-2023/recommended.

            Example:
              floe ami --region eu-central-1 --json
            """);
        command.Options.Add(s_region);
        command.Options.Add(s_arch);
        command.Options.Add(s_json);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        using var client = AwsOption.Open(parsed.GetValue(s_region), log);
        var image = await RecommendedImage.ReadAsync(client, parsed.GetValue(s_arch)!, cancellationToken).ConfigureAwait(false);
        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(image, RecommendedImageJson.Default.RecommendedImage));
            return 0;
        }

        foreach (var (name, value) in ((string, string?)[])
        [
            ("image", image.Id), ("name", image.Name), ("system", image.Os), ("kernel", image.Kernel), ("ECS agent", image.EcsAgent), ("runtime", image.Runtime),
            ("date", image.Date?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)), ("region", $"{image.Region}, {image.Architecture}"), ("parameter", image.Parameter),
        ])
        {
            if (value is not null)
            {
                System.Console.WriteLine($"{name,-10} {value}");
            }
        }

        return 0;
    }
}
