using System.Text.Json;
using System.Text.Json.Serialization;

namespace Floe.Agent.WorkFolders;

/// <summary>The objects of a work folder at one moment: name below the folder, and ETag.</summary>
internal sealed record WorkListing
{
    public const int CurrentVersion = 1;

    /// <summary>A folder with more is not taken for the work folder of one task.</summary>
    public const int MaxObjects = 1_000_000;

    /// <summary>The most that a listing of <see cref="MaxObjects"/> of the longest names comes to is not held; what is larger is refused.</summary>
    public const int MaxBytes = 256 << 20;

    public int Version { get; init; } = CurrentVersion;

    public IReadOnlyDictionary<string, string> Objects { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, WorkJson.Default.WorkListing);

    /// <exception cref="WorkFolderException">It is damaged, or of a newer version.</exception>
    public static WorkListing Parse(ReadOnlySpan<byte> bytes)
    {
        WorkListing? listing;
        try
        {
            listing = JsonSerializer.Deserialize(bytes, WorkJson.Default.WorkListing);
        }
        catch (JsonException e)
        {
            throw new WorkFolderException($"the listing of the work folder cannot be read: {e.Message}", e);
        }

        return listing?.Version == CurrentVersion
            ? listing
            : throw new WorkFolderException($"the listing of the work folder is of version {listing?.Version}; this Floe reads {CurrentVersion}");
    }
}

/// <summary>A work folder that cannot be brought back to where a task can go on or start. The message says why, in one line.</summary>
internal sealed class WorkFolderException(string message, Exception? inner = null) : Exception(message, inner);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, MaxDepth = 8)]
[JsonSerializable(typeof(WorkListing))]
internal sealed partial class WorkJson : JsonSerializerContext;
