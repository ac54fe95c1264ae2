using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Floe.Aws.Api;

namespace Floe.Operations.Images;

/// <summary>The Amazon Linux 2023 image for ECS that AWS recommends in a region; parts that it does not tell are null.</summary>
public sealed partial record RecommendedImage
{
    public required string Region { get; init; }

    /// <summary>x86_64 or arm64.</summary>
    public required string Architecture { get; init; }

    /// <summary>Like ami-0123456789abcdef0.</summary>
    public required string Id { get; init; }

    public string? Name { get; init; }

    public string? Os { get; init; }

    /// <summary>The kernel's line, like 6.1.</summary>
    public string? Kernel { get; init; }

    public string? EcsAgent { get; init; }

    public string? Runtime { get; init; }

    public string? Version { get; init; }

    public DateOnly? Date { get; init; }

    public string? SourceImage { get; init; }

    /// <summary>Where AWS keeps it in SSM.</summary>
    public required string Parameter { get; init; }

    public static bool IsId(string text) => IdPattern().IsMatch(text);

    public static string ParameterOf(string architecture) =>
        $"/aws/service/ecs/optimized-ami/amazon-linux-2023/{(architecture == "arm64" ? "arm64/" : "")}recommended";

    /// <exception cref="AwsException">No credentials, no permission, no such region, or no such image there.</exception>
    public static async Task<RecommendedImage> ReadAsync(AwsClient client, string architecture, CancellationToken cancellationToken)
    {
        var (ssm, region, parameter) = (new SsmApi(client), await client.RegionAsync(cancellationToken).ConfigureAwait(false), ParameterOf(architecture));
        if (await ssm.GetParameterAsync(parameter, cancellationToken).ConfigureAwait(false) is { } value && TryParse(value, region, architecture) is { } image)
        {
            return image;
        }

        // Each part is a parameter of its own too.
        var id = await Part("image_id").ConfigureAwait(false);
        if (id is null || !IsId(id))
        {
            throw new AwsException(AwsErrorKind.NotFound, $"SSM in {region} has no image under {parameter}: is '{region}' a region with ECS?");
        }

        return Named(new RecommendedImage
        {
            Region = region, Architecture = architecture, Id = id, Parameter = parameter, Name = await Part("image_name").ConfigureAwait(false),
            Os = await Part("os").ConfigureAwait(false), EcsAgent = await Part("ecs_agent_version").ConfigureAwait(false), Version = await Part("image_version").ConfigureAwait(false),
        });

        async Task<string?> Part(string name) => await ssm.GetParameterAsync($"{parameter}/{name}", cancellationToken).ConfigureAwait(false) is { Length: > 0 and < 200 } text ? text.Trim() : null;
    }

    /// <summary>Null for a value that is not the documented JSON object with an image in it.</summary>
    internal static RecommendedImage? TryParse(string value, string region, string architecture)
    {
        RecommendedJson? json;
        try
        {
            json = JsonSerializer.Deserialize(value, RecommendedJsonContext.Default.RecommendedJson);
        }
        catch (JsonException)
        {
            return null;
        }

        return json?.ImageId is { } id && IsId(id)
            ? Named(new RecommendedImage
            {
                Region = region, Architecture = architecture, Id = id, Parameter = ParameterOf(architecture), Name = json.ImageName, Os = json.Os, EcsAgent = json.EcsAgentVersion,
                Runtime = json.EcsRuntimeVersion, Version = json.ImageVersion, SourceImage = json.SourceImageName,
            })
            : null;
    }

    /// <summary>The kernel's line in an image's name, like 6.1; null when the name does not tell.</summary>
    public static string? KernelOf(string name) => KernelLine().Match(name) is { Success: true } match ? match.Groups[1].Value : null;

    /// <summary>Kernel and date stand in the name: al2023-ami-ecs-hvm-2023.0.20241115-kernel-6.1-x86_64.</summary>
    private static RecommendedImage Named(RecommendedImage image) => image with
    {
        Kernel = KernelOf(image.Name ?? "") ?? KernelOf(image.SourceImage ?? ""),
        Date = Day().Match(image.Version ?? image.Name ?? "") is { Success: true } day && DateOnly.TryParseExact(day.Value, "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) ? date : null,
    };

    [GeneratedRegex("^ami-[0-9a-f]{8,17}$")]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"kernel-(\d{1,2}\.\d{1,3})")]
    private static partial Regex KernelLine();

    [GeneratedRegex(@"20\d{6}")]
    private static partial Regex Day();
}

internal sealed class RecommendedJson
{
    [JsonPropertyName("image_id")]
    public string? ImageId { get; set; }

    [JsonPropertyName("image_name")]
    public string? ImageName { get; set; }

    [JsonPropertyName("image_version")]
    public string? ImageVersion { get; set; }

    [JsonPropertyName("os")]
    public string? Os { get; set; }

    [JsonPropertyName("ecs_agent_version")]
    public string? EcsAgentVersion { get; set; }

    [JsonPropertyName("ecs_runtime_version")]
    public string? EcsRuntimeVersion { get; set; }

    [JsonPropertyName("source_image_name")]
    public string? SourceImageName { get; set; }
}

[JsonSerializable(typeof(RecommendedJson))]
internal sealed partial class RecommendedJsonContext : JsonSerializerContext;

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RecommendedImage))]
public sealed partial class RecommendedImageJson : JsonSerializerContext;
