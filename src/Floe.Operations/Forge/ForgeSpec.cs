using System.Text.RegularExpressions;

namespace Floe.Operations.Forge;

/// <summary>An environment as the user wants it.</summary>
public sealed partial record ForgeSpec
{
    /// <summary>Tag that says to which environment a resource belongs; nothing without it is ever touched.</summary>
    public const string OwnerTag = "floe:environment";

    /// <summary>What a machine of any environment does when it starts.</summary>
    public static string MachineScript => UserData.Script;

    public required string Name { get; init; }

    public required string Region { get; init; }

    public required string Partition { get; init; }

    /// <summary>Buckets that tasks may use, work directory and store.</summary>
    public required IReadOnlyList<string> Buckets { get; init; }

    public required IReadOnlyList<string> WorkTypes { get; init; }

    public required IReadOnlyList<string> HeadTypes { get; init; }

    public required int WorkCpus { get; init; }

    public required int HeadCpus { get; init; }

    public required IReadOnlyList<string> Subnets { get; init; }

    public required IReadOnlyList<string> SecurityGroups { get; init; }

    /// <summary>An image to be held fast; null for the Amazon Linux 2023 that AWS Batch keeps current.</summary>
    public string? ImageId { get; init; }

    public int RootVolumeGB { get; init; } = 100;

    /// <summary>ARN of a role for AWS Batch itself; null for its service-linked role, which it makes when it is first needed.</summary>
    public string? ServiceRole { get; init; }

    public IReadOnlyDictionary<string, string> Tags => new Dictionary<string, string> { [OwnerTag] = Name, ["floe:made-by"] = "floe forge" };

    // Roles are one space for all regions.
    public string InstanceRole => $"{Name}-{Region}-instance";

    public string HeadRole => $"{Name}-{Region}-head";

    public string ExecutionRole => $"{Name}-{Region}-execution";

    public string LaunchTemplate => $"{Name}-machines";

    public string WorkEnvironment => $"{Name}-work";

    public string HeadEnvironment => $"{Name}-head";

    public string WorkQueue => $"{Name}-work";

    public string HeadQueue => $"{Name}-head";

    /// <summary>Short, because it becomes part of the names of roles, which have at most 64 characters.</summary>
    public static bool IsName(string text) => NamePattern().IsMatch(text);

    [GeneratedRegex("^[a-z][a-z0-9-]{1,29}$")]
    private static partial Regex NamePattern();
}
