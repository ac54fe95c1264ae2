using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Floe.Agent;

namespace Floe.Operations.Layers;

/// <summary>
/// Adds a layer to an image in an OCI image layout (a folder, as `skopeo copy … oci:DIR` and `crane pull --format=oci` write it), in
/// place: new blobs are added, and index.json, replaced last, then names the new manifest. Source: OCI image specification, image-layout.md.
/// </summary>
public static class OciLayout
{
    private const string ManifestType = "application/vnd.oci.image.manifest.v1+json";
    private const string DockerManifestType = "application/vnd.docker.distribution.manifest.v2+json";
    private const string LayerType = "application/vnd.oci.image.layer.v1.tar+gzip";
    private const string DockerLayerType = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    private const int MaxJsonBytes = 16 << 20;
    private const int MaxNesting = 4;

    public static bool IsOne(string folder) => File.Exists(Path.Combine(folder, "oci-layout")) && File.Exists(Path.Combine(folder, "index.json"));

    /// <param name="architecture">Manifests of other architectures stay as they are.</param>
    /// <exception cref="FloeException">The layout is damaged, or has no image of this architecture.</exception>
    public static async Task<ImageReport> AddLayerAsync(string folder, string layerFile, LayerDigests layer, string architecture, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, "index.json");
        var index = ImageConfiguration.Parse(await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false), path);
        var blob = BlobPath(folder, layer.GzipDigest);
        if (!File.Exists(blob))
        {
            File.Copy(layerFile, blob + ".tmp", overwrite: true);
            File.Move(blob + ".tmp", blob, overwrite: true);
        }

        var report = Rewrite(folder, index, layer, architecture, 0)
            ?? throw new FloeException(ExitCodes.Usage, $"{folder} holds no image for {architecture}");
        await File.WriteAllBytesAsync(path + ".tmp", ImageConfiguration.Write(index), cancellationToken).ConfigureAwait(false);
        File.Move(path + ".tmp", path, overwrite: true);
        return report;
    }

    private static ImageReport? Rewrite(string folder, JsonObject index, LayerDigests layer, string architecture, int depth)
    {
        if (depth > MaxNesting || index["manifests"] is not JsonArray manifests)
        {
            return null;
        }

        ImageReport? last = null;
        foreach (var descriptor in manifests.OfType<JsonObject>())
        {
            if (Text(descriptor["platform"]?["architecture"]) is { } other && other != architecture)
            {
                continue;
            }

            var digest = Text(descriptor["digest"]) ?? "";
            var content = ImageConfiguration.Parse(ReadBlob(folder, digest), $"manifest {digest}");
            if (content["manifests"] is JsonArray)
            {
                if (Rewrite(folder, content, layer, architecture, depth + 1) is not { } inner)
                {
                    continue;
                }

                last = inner;
            }
            else if (content["layers"] is JsonArray layers && content["config"] is JsonObject config)
            {
                var old = ReadBlob(folder, Text(config["digest"]) ?? "");
                if (Text(ImageConfiguration.Parse(old, "the image's configuration")["architecture"]) is { } built && built != architecture)
                {
                    continue;
                }

                var configuration = ImageConfiguration.AddLayer(old, layer.TarDigest);
                Describe(config, configuration, AddBlob(folder, configuration));
                layers.Add((JsonNode)new JsonObject
                {
                    ["mediaType"] = Text(content["mediaType"]) == DockerManifestType ? DockerLayerType : LayerType,
                    ["digest"] = layer.GzipDigest,
                    ["size"] = layer.GzipSize,
                });
                last = new ImageReport(folder, "", Text(config["digest"])!, layers.Count);
            }
            else
            {
                continue;
            }

            var written = ImageConfiguration.Write(content);
            Describe(descriptor, written, AddBlob(folder, written));
            last = last with { ManifestDigest = Text(descriptor["digest"])! };
        }

        return last;
    }

    private static void Describe(JsonObject descriptor, byte[] content, string digest)
    {
        descriptor["digest"] = digest;
        descriptor["size"] = content.Length;
        descriptor["mediaType"] ??= ManifestType;
    }

    private static byte[] ReadBlob(string folder, string digest)
    {
        var path = BlobPath(folder, digest);
        if (!File.Exists(path) || new FileInfo(path).Length > MaxJsonBytes)
        {
            throw new FloeException(ExitCodes.Usage, $"{folder}: blob {digest} is missing or no JSON");
        }

        return File.ReadAllBytes(path);
    }

    private static string AddBlob(string folder, byte[] content)
    {
        var digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));
        var path = BlobPath(folder, digest);
        File.WriteAllBytes(path + ".tmp", content);
        File.Move(path + ".tmp", path, overwrite: true);
        return digest;
    }

    /// <summary>A digest names a file: nothing else may come of it.</summary>
    private static string BlobPath(string folder, string digest) =>
        digest.StartsWith("sha256:", StringComparison.Ordinal) && digest.Length == 71 && digest.Skip(7).All(char.IsAsciiHexDigitLower)
            ? Path.Combine(folder, "blobs/sha256", digest[7..])
            : throw new FloeException(ExitCodes.Usage, $"{folder}: '{digest}' is no sha256 digest");

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
