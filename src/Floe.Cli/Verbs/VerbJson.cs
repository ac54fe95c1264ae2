using System.Text.Json;
using System.Text.Json.Serialization;
using Floe.Agent.Preflight;
using Floe.Store;

namespace Floe.Cli.Verbs;

/// <summary>What the verbs print with --json.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(IReadOnlyList<TaskRow>))]
[JsonSerializable(typeof(TaskDetail))]
[JsonSerializable(typeof(IReadOnlyList<VerifyRow>))]
[JsonSerializable(typeof(RemovalReport))]
[JsonSerializable(typeof(ExportReport))]
[JsonSerializable(typeof(IReadOnlyList<CheckResult>))]
[JsonSerializable(typeof(IReadOnlyList<GcRow>))]
internal sealed partial class VerbJson : JsonSerializerContext;

/// <summary>One task of a store; <paramref name="Problem"/> says why nothing else is known of it.</summary>
internal sealed record TaskRow(string Key, int Snapshots, long NewestSeq, DateTimeOffset? NewestAt, long RawBytes, long StoredBytes, string Lease, string Command, string? Problem = null)
{
    /// <summary>The command's words, for people.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Words { get; init; } = [];
}

/// <summary>What reading a task again found.</summary>
internal sealed record VerifyRow(string Key, IReadOnlyList<long> Snapshots, long BytesRead, bool IsSound, IReadOnlyList<SnapshotProblem> Problems);

/// <summary>What was removed: the named snapshots of a task, and the task itself if it is <paramref name="IsWhole"/>.</summary>
internal sealed record RemovalReport(string Key, IReadOnlyList<long> Snapshots, bool IsWhole);

/// <summary>One task with its snapshots, newest first.</summary>
internal sealed record TaskDetail(string Key, LeaseInfo? Lease, IReadOnlyList<SnapshotListing> Snapshots);

/// <summary>What was exported and where it lies.</summary>
internal sealed record ExportReport(string Key, long Seq, string ImagesFolder, int Images, long ImageBytes, string? FilesArchive, long Files);
