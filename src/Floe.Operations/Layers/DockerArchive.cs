using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Floe.Agent;

namespace Floe.Operations.Layers;

/// <summary>
/// Adds a layer to an image in a docker archive (a tar, as `docker save` and `skopeo copy … docker-archive:FILE` write it). The archive is
/// copied entry by entry into a new one; memory holds only its JSON. Source: Docker's image specification v1.2, "Combined image JSON + filesystem changeset format".
/// </summary>
public static class DockerArchive
{
    private const string ManifestName = "manifest.json";
    private const int MaxJsonBytes = 16 << 20;

    /// <param name="output">A new archive; it appears whole or not at all.</param>
    /// <exception cref="FloeException">The archive has no manifest, or not one image.</exception>
    public static async Task<ImageReport> AddLayerAsync(string archive, string output, string layerFile, LayerDigests layer, CancellationToken cancellationToken)
    {
        var manifest = await ReadEntryAsync(archive, ManifestName, cancellationToken).ConfigureAwait(false);
        if (JsonNode.Parse(manifest) is not JsonArray { Count: 1 } images || images[0] is not JsonObject image
            || image["Layers"] is not JsonArray layers || (string?)image["Config"] is not { } configName)
        {
            throw new FloeException(ExitCodes.Usage, $"{archive}: {ManifestName} does not describe exactly one image");
        }

        var configuration = ImageConfiguration.AddLayer(await ReadEntryAsync(archive, configName, cancellationToken).ConfigureAwait(false), layer.TarDigest);
        var digest = Convert.ToHexStringLower(SHA256.HashData(configuration));
        var layerName = $"{layer.TarDigest["sha256:".Length..]}/layer.tar";
        image["Config"] = $"{digest}.json";
        layers.Add((JsonNode)layerName);

        await using (var file = File.Create(output + ".tmp"))
        await using (var writer = new TarWriter(file, TarEntryFormat.Pax))
        {
            await CopyAsync(archive, writer, configName, cancellationToken).ConfigureAwait(false);
            await WriteAsync(writer, $"{digest}.json", new MemoryStream(configuration), cancellationToken).ConfigureAwait(false);
            await using (var plain = await PlainAsync(layerFile, output + ".layer.tmp", cancellationToken).ConfigureAwait(false))
            {
                await WriteAsync(writer, layerName, plain, cancellationToken).ConfigureAwait(false);
            }

            await WriteAsync(writer, ManifestName, new MemoryStream(ImageConfiguration.Write(images)), cancellationToken).ConfigureAwait(false);
        }

        File.Move(output + ".tmp", output, overwrite: true);
        return new ImageReport(output, "", $"sha256:{digest}", layers.Count);
    }

    private static async Task CopyAsync(string archive, TarWriter writer, string configName, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(archive);
        await using var reader = new TarReader(file);
        while (await reader.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false) is { } entry)
        {
            // `repositories` and `index.json` of newer versions describe the old image.
            if (entry.Name is not (ManifestName or "repositories" or "index.json") && entry.Name != configName)
            {
                await writer.WriteEntryAsync(entry, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task WriteAsync(TarWriter writer, string name, Stream content, CancellationToken cancellationToken)
    {
        await writer.WriteEntryAsync(
            new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = content, Mode = (UnixFileMode)0b110_100_100, ModificationTime = DateTimeOffset.UnixEpoch },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Layers in an archive are not compressed, and a tar must know their length beforehand.</summary>
    private static async Task<Stream> PlainAsync(string layerFile, string temporary, CancellationToken cancellationToken)
    {
        var plain = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 64 << 10, FileOptions.DeleteOnClose);
        await using var compressed = File.OpenRead(layerFile);
        await using var gzip = new GZipStream(compressed, CompressionMode.Decompress);
        await gzip.CopyToAsync(plain, cancellationToken).ConfigureAwait(false);
        plain.Position = 0;
        return plain;
    }

    private static async Task<byte[]> ReadEntryAsync(string archive, string name, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = File.OpenRead(archive);
            await using var reader = new TarReader(file);
            while (await reader.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false) is { } entry)
            {
                if (entry.Name == name && entry.DataStream is { } data && entry.Length <= MaxJsonBytes)
                {
                    using var content = new MemoryStream();
                    await data.CopyToAsync(content, cancellationToken).ConfigureAwait(false);
                    return content.ToArray();
                }
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new FloeException(ExitCodes.Usage, $"{archive} is no tar: {e.Message}");
        }

        throw new FloeException(ExitCodes.Usage, $"{archive} has no {name}: it is no docker archive");
    }
}
