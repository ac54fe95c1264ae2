using System.Text.Json.Serialization;

namespace Floe.Operations.Layers;

/// <summary>
/// The container configuration that Wave fetches from `fusion.containerConfigUrl` and applies to every task image.
/// Source: Wave's ContainerConfig and ContainerLayer.
/// </summary>
public sealed record WaveConfiguration
{
    public IReadOnlyList<string> Entrypoint { get; init; } = [];

    public IReadOnlyList<WaveLayer> Layers { get; init; } = [];
}

/// <param name="Location">Where Wave gets the tar.gz: an http(s) URL.</param>
/// <param name="GzipSize">Bytes of the tar.gz.</param>
public sealed record WaveLayer(string Location, string GzipDigest, long GzipSize, string TarDigest);

[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowReadingFromString)]
[JsonSerializable(typeof(WaveConfiguration))]
[JsonSerializable(typeof(LayerReport))]
[JsonSerializable(typeof(LayerVerdict))]
[JsonSerializable(typeof(ImageReport))]
public sealed partial class LayerJson : JsonSerializerContext;

/// <summary>What was built and where it lies.</summary>
/// <param name="Configuration">Path of the JSON for Wave; null when no URL was given.</param>
/// <param name="ConfigUrl">What `fusion.containerConfigUrl` is set to; null when no URL was given.</param>
public sealed record LayerReport(string Layer, string? Configuration, string? ConfigUrl, LayerDigests Digests);

/// <summary>What a check of a layer found.</summary>
/// <param name="Problems">A line each; empty when all is well.</param>
public sealed record LayerVerdict(string File, IReadOnlyList<string> Problems)
{
    public bool IsSound => Problems.Count == 0;
}

/// <summary>The image that was made.</summary>
public sealed record ImageReport(string Path, string ManifestDigest, string ConfigDigest, int Layers);
