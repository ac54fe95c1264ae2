using System.Text.Json;
using System.Text.Json.Nodes;
using Floe.Agent;

namespace Floe.Operations.Layers;

/// <summary>
/// What a layer changes in an image's configuration: one more diff id, the entry point, and the old entry point kept for the program
/// (WAVE_ENTRY_CHAIN, as Wave does). Everything else in the JSON stays as it is. Source: OCI image specification, config.md; Docker's is alike.
/// </summary>
internal static class ImageConfiguration
{
    public const string EntryChain = "WAVE_ENTRY_CHAIN";

    /// <summary>The configuration with the layer on top.</summary>
    /// <exception cref="FloeException">Not a configuration, or the layer is in it already.</exception>
    public static byte[] AddLayer(byte[] configuration, string diffId)
    {
        var root = Parse(configuration, "the image's configuration");
        if (root["rootfs"]?["diff_ids"] is not JsonArray layers)
        {
            throw new FloeException(ExitCodes.Usage, "the image's configuration names no layers");
        }

        if (layers.Any(l => (string?)l == diffId))
        {
            throw new FloeException(ExitCodes.Usage, "the image has this layer already");
        }

        layers.Add((JsonNode)diffId);
        (root["history"] as JsonArray)?.Add((JsonNode)new JsonObject { ["created"] = "1980-01-01T00:00:00Z", ["created_by"] = "floe image add-layer" });

        var config = root["config"] as JsonObject;
        if (config is null)
        {
            root["config"] = config = [];
        }

        var old = (config["Entrypoint"] as JsonArray)?.Select(word => (string?)word ?? "").ToList() ?? [];
        if (old.Count > 0)
        {
            var environment = config["Env"] as JsonArray;
            if (environment is null)
            {
                config["Env"] = environment = [];
            }

            // Wave joins the words by blanks too.
            environment.Add((JsonNode)$"{EntryChain}={string.Join(' ', old)}");
        }

        config["Entrypoint"] = new JsonArray((JsonNode)LayerArchive.EntryPoint);
        return Write(root);
    }

    public static JsonObject Parse(byte[] json, string what)
    {
        try
        {
            return JsonNode.Parse(json) as JsonObject ?? throw new FloeException(ExitCodes.Usage, $"{what} is no JSON object");
        }
        catch (JsonException)
        {
            throw new FloeException(ExitCodes.Usage, $"{what} is no JSON");
        }
    }

    public static byte[] Write(JsonNode node)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            node.WriteTo(writer);
        }

        return stream.ToArray();
    }
}
