using System.Text.Json;
using System.Xml;
using System.Xml.Linq;

namespace Floe.Aws.Api;

/// <summary>Answers of the Query services, read without their namespaces. No DTD, no entities, bounded.</summary>
internal static class AwsXml
{
    public static XElement Parse(byte[] body)
    {
        using var reader = Reader(new MemoryStream(body));
        return XElement.Load(reader);
    }

    /// <param name="body">Stays open.</param>
    public static XmlReader Reader(Stream body) => XmlReader.Create(body, new XmlReaderSettings
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        MaxCharactersInDocument = AwsTransport.MaxAnswerBytes,
        MaxCharactersFromEntities = 1,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    });

    public static XElement? Child(this XElement element, string name) => element.Elements().FirstOrDefault(e => e.Name.LocalName == name);

    /// <summary>Text of a child; null when it is missing or empty.</summary>
    public static string? Text(this XElement element, string name) => element.Child(name)?.Value.Trim() is { Length: > 0 } text ? text : null;

    /// <summary>The entries of a list.</summary>
    public static IEnumerable<XElement> Items(this XElement element, string list) => element.Child(list)?.Elements().Where(e => e.Name.LocalName == "member") ?? [];
}

/// <summary>Answers of the JSON services: a member of another type than documented counts as missing.</summary>
internal static class AwsJson
{
    /// <summary>An object; no answer at all counts as an empty one.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static JsonElement Parse(byte[] body)
    {
        using var document = JsonDocument.Parse(body.Length == 0 ? "{}"u8.ToArray() : body);
        return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : throw new JsonException("no object");
    }

    public static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public static string? Text(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    public static long? Number(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var number) ? number : null;

    public static bool? Truth(this JsonElement element, string name) => element.Member(name)?.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    public static IEnumerable<JsonElement> Items(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    public static IReadOnlyList<string> Texts(this JsonElement element, string name) =>
        [.. element.Items(name).Where(e => e.ValueKind == JsonValueKind.String).Select(e => e.GetString()!)];

    /// <summary>Members that are strings, such as tags.</summary>
    public static IReadOnlyDictionary<string, string> Map(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.Object } map
            ? map.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.String).GroupBy(p => p.Name).ToDictionary(g => g.Key, g => g.Last().Value.GetString()!)
            : new Dictionary<string, string>();
}
