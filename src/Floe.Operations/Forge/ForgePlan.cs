using System.Text.Json.Serialization;

namespace Floe.Operations.Forge;

[JsonConverter(typeof(JsonStringEnumConverter<ForgeAction>))]
public enum ForgeAction
{
    Keep,
    Create,
    Update,
    Delete,
    /// <summary>Something of that name is there and belongs to somebody else.</summary>
    Refuse,
}

/// <param name="From">Null when it is new.</param>
/// <param name="To">Null when it goes.</param>
public sealed record ForgeChange(string Property, string? From, string? To);

public sealed record ForgeStep(ForgeAction Action, ForgeResource Resource, IReadOnlyList<ForgeChange> Changes)
{
    public string Title => Resource.Title;
}

/// <summary>What would be done, in order.</summary>
public sealed record ForgePlan(string Name, string Region, IReadOnlyList<ForgeStep> Steps)
{
    public IReadOnlyList<ForgeStep> Refused => [.. Steps.Where(s => s.Action == ForgeAction.Refuse)];

    /// <summary>From what is wanted and what is there; null for what is not there.</summary>
    public static ForgePlan Make(ForgeSpec spec, IReadOnlyList<(ForgeResource Wanted, ActualResource? Actual)> resources)
    {
        var steps = resources.Select(r => Step(spec.Name, r.Wanted, r.Actual)).ToList();

        // AWS Batch takes a new version of a template in only when the environment is updated.
        if (steps.Any(s => s is { Action: ForgeAction.Update, Resource.Kind: ForgeKind.LaunchTemplate }))
        {
            steps = [.. steps.Select(s => s is { Action: ForgeAction.Keep, Resource.Kind: ForgeKind.ComputeEnvironment }
                ? s with { Action = ForgeAction.Update, Changes = [new ForgeChange("launchTemplate", s.Resource.Properties["launchTemplate"], $"{s.Resource.Properties["launchTemplate"]}, new version")] }
                : s)];
        }

        return new ForgePlan(spec.Name, spec.Region, steps);
    }

    /// <summary>For a removal: what is there and ours goes, last made first.</summary>
    public static ForgePlan Unmake(string name, string region, IReadOnlyList<(ForgeResource Wanted, ActualResource? Actual)> resources) => new(name, region,
    [
        .. resources.Reverse().Where(r => r.Actual is not null).Select(r => new ForgeStep(r.Actual!.Owner == name ? ForgeAction.Delete : ForgeAction.Refuse, r.Actual.Resource, [])),
    ]);

    private static ForgeStep Step(string owner, ForgeResource wanted, ActualResource? actual)
    {
        if (actual is null)
        {
            return new ForgeStep(ForgeAction.Create, wanted, [.. wanted.Properties.Select(p => new ForgeChange(p.Key, null, p.Value))]);
        }

        if (actual.Owner != owner)
        {
            return new ForgeStep(ForgeAction.Refuse, wanted, [new ForgeChange(ForgeSpec.OwnerTag, actual.Owner, owner)]);
        }

        var changes = wanted.Properties.Where(p => actual.Resource.Properties.GetValueOrDefault(p.Key) != p.Value)
            .Select(p => new ForgeChange(p.Key, actual.Resource.Properties.GetValueOrDefault(p.Key), p.Value)).ToList();
        return new ForgeStep(changes.Count == 0 ? ForgeAction.Keep : ForgeAction.Update, wanted, changes);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ForgePlan))]
public sealed partial class ForgeJson : JsonSerializerContext;
