using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Floe.Aws;

/// <summary>
/// The answer of <c>spot/instance-action</c>: EC2 takes the instance back. Source: EC2 User Guide, "Spot Instance interruption notices".
/// </summary>
/// <param name="Action">terminate, stop or hibernate; another word is kept as it came.</param>
/// <param name="Time">When it happens, by the service's clock; null when the answer had no readable time.</param>
/// <param name="ServerTime">The service's clock when it answered (the Date header, to the second); null when it sent none.</param>
public sealed record SpotInstanceAction(string Action, DateTimeOffset? Time, DateTimeOffset? ServerTime)
{
    /// <summary>Null when the text is not a JSON object with an action: not a notice. A missing or unreadable time is not fatal.</summary>
    public static SpotInstanceAction? TryParse(string text, DateTimeOffset? serverTime)
    {
        ArgumentNullException.ThrowIfNull(text);
        SpotInstanceActionJson? json;
        try
        {
            json = JsonSerializer.Deserialize(text, ImdsJson.Default.SpotInstanceActionJson);
        }
        catch (JsonException)
        {
            return null;
        }

        return ImdsText.TryGet(json?.Action) is { Length: > 0 and <= 64 } name
            ? new SpotInstanceAction(name, ImdsText.TryGet(json!.Time) is { } time ? ImdsText.TryParseTime(time) : null, serverTime)
            : null;
    }
}

internal static class ImdsText
{
    /// <summary>Null for a member that is missing, is no string, or holds half a surrogate pair.</summary>
    public static string? TryGet(JsonElement? element)
    {
        try
        {
            return element is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>ISO 8601 as EC2 writes it; without an offset it is UTC.</summary>
    public static DateTimeOffset? TryParseTime(string text) =>
        text.Length <= 64
        && DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time
            : null;
}

// The values are elements so that a member of a wrong type is seen and passed over, not thrown on.
internal sealed class SpotInstanceActionJson
{
    [JsonPropertyName("action")]
    public JsonElement? Action { get; set; }

    [JsonPropertyName("time")]
    public JsonElement? Time { get; set; }
}

[JsonSerializable(typeof(SpotInstanceActionJson))]
internal sealed partial class ImdsJson : JsonSerializerContext;
