using System.Text.Json.Serialization;
using Floe.Operations.Instances;

namespace Floe.Operations.Planning;

[JsonConverter(typeof(JsonStringEnumConverter<Verdict>))]
public enum Verdict
{
    /// <summary>Everything resident can be sent in time.</summary>
    Fits,
    DoesNotFit,
    /// <summary>The task does not fit the machine at all.</summary>
    TooSmall,
}

/// <summary>How long a snapshot takes on a type, with everything it was calculated from. GiB are binary, Gbps decimal.</summary>
public sealed record Estimate
{
    public required string Type { get; init; }

    public required IReadOnlyList<string> Architectures { get; init; }

    public required int VirtualCpus { get; init; }

    public required double MemoryGiB { get; init; }

    public required long NvmeGB { get; init; }

    public required bool Spot { get; init; }

    public required double BaselineGbps { get; init; }

    public required double GiBPerGbps { get; init; }

    /// <summary>Whether the ratio satisfies Fusion's published rule of 5:1, which its own tables apply up to 5.12 (64 GiB over 12.5 Gbps).</summary>
    public required bool FiveToOne { get; init; }

    /// <summary>Tasks that one notice freezes together.</summary>
    public required int Tasks { get; init; }

    /// <summary>Memory of all of them.</summary>
    public required double ResidentGiB { get; init; }

    /// <summary>What one TCP connection could carry at most; the link is used whole only with more than one above 5 Gbps.</summary>
    public required double PerFlowGbps { get; init; }

    public required int ConnectionsNeeded { get; init; }

    /// <summary>What the snapshot gets: the least of the link and the connections, times the efficiency.</summary>
    public required double UsableGbps { get; init; }

    /// <summary>All resident bytes at line rate, nothing compressed.</summary>
    public required double LineRateSeconds { get; init; }

    /// <summary>All resident bytes as Floe sends them.</summary>
    public required double EverythingSeconds { get; init; }

    public required double BudgetSeconds { get; init; }

    /// <summary>Budget less the time that everything takes; negative when it does not fit.</summary>
    public required double SpareSeconds { get; init; }

    /// <summary>The most memory that tasks of this machine may have together for everything to be sent in time, and that the type has.</summary>
    public required double MemoryThatFitsGiB { get; init; }

    public required Verdict Verdict { get; init; }
}

/// <summary>An answer of `floe plan`.</summary>
public sealed record Plan
{
    /// <summary>Where the types are from, with date or region.</summary>
    public required string Source { get; init; }

    public required PlanRequest Assumptions { get; init; }

    public required double BudgetSeconds { get; init; }

    /// <summary>Best first.</summary>
    public required IReadOnlyList<Estimate> Types { get; init; }

    /// <summary>Types that were looked at.</summary>
    public required int Considered { get; init; }

    public required int Fitting { get; init; }

    /// <summary>What no task may have more of, whichever of the fitting (or given) types it lands on; for process.resourceLimits.</summary>
    public ResourceLimits? Limits { get; init; }
}

/// <summary>For Nextflow's <c>process.resourceLimits</c>.</summary>
public sealed record ResourceLimits(int MemoryGiB, int Cpus);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(Plan))]
public sealed partial class PlanJson : JsonSerializerContext;
