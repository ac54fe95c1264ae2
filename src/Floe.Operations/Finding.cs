using System.Text.Json.Serialization;

namespace Floe.Operations;

[JsonConverter(typeof(JsonStringEnumConverter<FindingStatus>))]
public enum FindingStatus
{
    Pass,
    /// <summary>It works, or may; something is worse than it could be, or could not be looked at.</summary>
    Warn,
    /// <summary>Snapshots will not be taken, or not be restored.</summary>
    Fail,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Check">A short stable name, for scripts: "spot-attempts".</param>
/// <param name="Detail">What was found.</param>
/// <param name="Fix">What to do about it; null for a pass.</param>
/// <param name="Line">In the file that was read; null when it is about none.</param>
public sealed record Finding(FindingStatus Status, string Check, string Detail, string? Fix = null, int? Line = null);

/// <summary>Findings of one run, worst status first asked for by scripts.</summary>
public sealed record FindingReport(string Subject, IReadOnlyList<Finding> Findings)
{
    public int Failed => Findings.Count(f => f.Status == FindingStatus.Fail);

    public int Warned => Findings.Count(f => f.Status == FindingStatus.Warn);

    public bool IsSound => Failed == 0;
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FindingReport))]
public sealed partial class FindingJson : JsonSerializerContext;
