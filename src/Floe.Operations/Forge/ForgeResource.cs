using System.Text.Json.Nodes;

namespace Floe.Operations.Forge;

public enum ForgeKind
{
    Role,
    InstanceProfile,
    LaunchTemplate,
    ComputeEnvironment,
    JobQueue,
}

/// <summary>
/// One resource of an environment, as it should be or as it is. <see cref="Properties"/> are what is compared and shown; they hold all
/// that a resource is made from, as text.
/// </summary>
public sealed record ForgeResource(ForgeKind Kind, string Name, IReadOnlyDictionary<string, string> Properties)
{
    public string Title => Kind switch
    {
        ForgeKind.Role => "role",
        ForgeKind.InstanceProfile => "instance profile",
        ForgeKind.LaunchTemplate => "launch template",
        ForgeKind.ComputeEnvironment => "compute environment",
        _ => "job queue",
    } + " " + Name;
}

/// <summary>A resource as AWS has it.</summary>
/// <param name="Owner">The environment in its tag; null without.</param>
/// <param name="Status">VALID, CREATING, DELETING and so on, where the kind has one.</param>
public sealed record ActualResource(ForgeResource Resource, string? Owner, string? Status = null, string? StatusReason = null, bool Enabled = true);

/// <summary>The resources of an environment in the order in which they are made; they are removed in the opposite one.</summary>
internal static class ForgeResources
{
    public const string PolicyName = "floe";

    public static IReadOnlyList<ForgeResource> Of(ForgeSpec spec) =>
    [
        Role(spec.InstanceRole, "ec2.amazonaws.com", ForgePolicies.Instance(spec)),
        Role(spec.HeadRole, "ecs-tasks.amazonaws.com", ForgePolicies.Head(spec)),
        Role(spec.ExecutionRole, "ecs-tasks.amazonaws.com", ForgePolicies.Execution(spec)),
        Make(ForgeKind.InstanceProfile, spec.InstanceRole, ("role", spec.InstanceRole)),
        Make(ForgeKind.LaunchTemplate, spec.LaunchTemplate,
            ("userData", UserData.Mime), ("rootVolumeGB", $"{spec.RootVolumeGB}"), ("httpTokens", "required"), ("hopLimit", "2")),
        Environment(spec, spec.WorkEnvironment, "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED", spec.WorkTypes, spec.WorkCpus),
        Environment(spec, spec.HeadEnvironment, "EC2", "BEST_FIT_PROGRESSIVE", spec.HeadTypes, spec.HeadCpus),
        Queue(spec.WorkQueue, spec.WorkEnvironment, 1),
        Queue(spec.HeadQueue, spec.HeadEnvironment, 10),
    ];

    /// <summary>JSON with its members in order, so that two that mean the same are the same.</summary>
    public static string Canonical(JsonNode? node) => node switch
    {
        JsonObject o => "{" + string.Join(',', o.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{JsonValue.Create(p.Key)!.ToJsonString()}:{Canonical(p.Value)}")) + "}",
        JsonArray a => "[" + string.Join(',', a.Select(Canonical)) + "]",
        null => "null",
        _ => node.ToJsonString(),
    };

    private static ForgeResource Role(string name, string service, JsonObject policy) =>
        Make(ForgeKind.Role, name, ("trust", Canonical(ForgePolicies.Trust(service))), ("policy", Canonical(policy)));

    private static ForgeResource Environment(ForgeSpec spec, string name, string kind, string strategy, IReadOnlyList<string> types, int cpus) => Make(
        ForgeKind.ComputeEnvironment, name,
        ("type", kind), ("allocationStrategy", strategy), ("instanceTypes", string.Join(' ', types)), ("maxvCpus", $"{cpus}"), ("subnets", string.Join(' ', spec.Subnets)),
        ("securityGroups", string.Join(' ', spec.SecurityGroups)), ("instanceRole", spec.InstanceRole), ("launchTemplate", spec.LaunchTemplate),
        ("image", spec.ImageId is null ? "ECS_AL2023" : $"ECS_AL2023 {spec.ImageId}"), ("state", "ENABLED"));

    private static ForgeResource Queue(string name, string environment, int priority) =>
        Make(ForgeKind.JobQueue, name, ("priority", $"{priority}"), ("environments", environment), ("state", "ENABLED"));

    internal static ForgeResource Make(ForgeKind kind, string name, params IEnumerable<(string Name, string Value)> properties) =>
        new(kind, name, new SortedDictionary<string, string>(properties.ToDictionary(p => p.Name, p => p.Value), StringComparer.Ordinal));
}
