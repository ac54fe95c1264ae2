using Floe.Aws.Api;
using Floe.Operations.Planning;

namespace Floe.Operations.Doctor;

/// <summary>What AWS says of a queue or compute environment and all that it leans on. Null parts could not be looked at or do not exist.</summary>
public sealed record EnvironmentFacts
{
    /// <summary>What the user asked about.</summary>
    public required string Subject { get; init; }

    public required string Region { get; init; }

    public BatchQueue? Queue { get; init; }

    public required IReadOnlyList<ComputeFacts> Environments { get; init; }

    /// <summary>The work directory's or store's bucket; null when none was named.</summary>
    public string? Bucket { get; init; }

    public string? BucketRegion { get; init; }

    /// <summary>Jobs that the queue ran lately; null when there was no queue to ask.</summary>
    public IReadOnlyList<BatchJob>? Jobs { get; init; }

    /// <summary>What could not be looked at, and why.</summary>
    public IReadOnlyList<Finding> Blind { get; init; } = [];

    public required string TypesFrom { get; init; }
}

public sealed record ComputeFacts
{
    public required BatchEnvironment Environment { get; init; }

    public Ec2LaunchTemplateVersion? Template { get; init; }

    /// <summary>Images that are named, in the environment or in its template.</summary>
    public IReadOnlyList<Ec2Image> Images { get; init; } = [];

    /// <summary>What the machines' role may do; null when it could not be read.</summary>
    public PolicySet? Permissions { get; init; }

    public string? Role { get; init; }

    /// <summary>Every type that may be chosen, judged with its memory full.</summary>
    public IReadOnlyList<Estimate> Types { get; init; } = [];

    /// <summary>Names of types or families that the table does not know.</summary>
    public IReadOnlyList<string> UnknownTypes { get; init; } = [];
}
