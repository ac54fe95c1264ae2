using System.Text.Json;
using System.Text.Json.Serialization;

namespace Floe.Store.Manifests;

/// <summary>
/// The JSON of everything that lies in a store as JSON. Unknown members are ignored: a newer writer may add some. The generated
/// code sets an init member that is not in the JSON to null, so members with a default take null for it.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 16,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(Manifest))]
[JsonSerializable(typeof(SlotDocument))]
[JsonSerializable(typeof(FenceDocument))]
[JsonSerializable(typeof(LeaseDocument))]
[JsonSerializable(typeof(StoreDocument))]
internal sealed partial class StoreJson : JsonSerializerContext;

/// <summary>What every document in snapshots/ can be asked before it is known what it is.</summary>
internal sealed record SlotDocument
{
    public int FormatVersion { get; init; }

    public IReadOnlyList<string> RequiredFeatures { get; init => field = value ?? []; } = [];

    /// <summary>"snapshot" or "fence".</summary>
    public string Kind { get; init => field = value ?? ""; } = "";
}

/// <summary>Holds a seq that a new lease holder took away from every holder before it (docs/format.md, "Fencing").</summary>
internal sealed record FenceDocument
{
    public required int FormatVersion { get; init; }

    public string Kind { get; init => field = value ?? KindName; } = KindName;

    public required string Key { get; init; }

    public required long Seq { get; init; }

    public required long Generation { get; init; }

    public required string Incarnation { get; init; }

    public required string HolderId { get; init; }

    [JsonIgnore]
    public static string KindName => "fence";
}

/// <summary>The lease as it lies in the store.</summary>
internal sealed record LeaseDocument
{
    public required int FormatVersion { get; init; }

    public required long Generation { get; init; }

    /// <summary>Made at random when a task's first lease is written; the name of this history of the task.</summary>
    public required string Incarnation { get; init; }

    public required LeaseState State { get; init; }

    public required string HolderId { get; init; }

    public string Host { get; init => field = value ?? ""; } = "";

    public int ProcessId { get; init; }

    public JobAttempt? Job { get; init; }

    public required long TtlMillis { get; init; }

    /// <summary>Grows with every renewal, so that each one has an ETag of its own.</summary>
    public required long Renewals { get; init; }

    public DateTimeOffset RenewedAt { get; init; }
}

/// <summary>floe.json: says that a place is a store, and of which format.</summary>
internal sealed record StoreDocument
{
    public required string Kind { get; init; }

    public required int FormatVersion { get; init; }

    public IReadOnlyList<string> RequiredFeatures { get; init => field = value ?? []; } = [];

    public string CreatedBy { get; init => field = value ?? ""; } = "";

    public DateTimeOffset CreatedAt { get; init; }
}
