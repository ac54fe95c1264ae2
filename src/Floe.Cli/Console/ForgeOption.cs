using System.CommandLine;
using System.Globalization;
using Floe.Agent;
using Floe.Operations.Forge;

namespace Floe.Cli.Console;

/// <summary>What the verbs of `floe forge` share.</summary>
internal static class ForgeOption
{
    public static Option<string> Name()
    {
        var option = new Option<string>("--name") { HelpName = "NAME", Description = "The environment: part of the names of all its resources", DefaultValueFactory = static _ => "floe" };
        option.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<string>() is { } name && !ForgeSpec.IsName(name))
            {
                result.AddError($"--name takes 2 to 30 lower-case letters, digits and dashes, first a letter; not '{name}'");
            }
        });
        return option;
    }

    /// <summary>Enough of a spec to find an environment's resources by their names.</summary>
    public static ForgeSpec Bare(string name, string region) => new()
    {
        Name = name, Region = region, Partition = Floe.Aws.Api.AwsOptions.Partition(region), Buckets = [], WorkTypes = [], HeadTypes = [], WorkCpus = 0, HeadCpus = 0, Subnets = [], SecurityGroups = [],
    };

    /// <summary>A plan as a diff.</summary>
    public static void Print(ForgePlan plan)
    {
        foreach (var step in plan.Steps)
        {
            var (sign, note) = step.Action switch
            {
                ForgeAction.Create => ("+", ""),
                ForgeAction.Update => ("~", ""),
                ForgeAction.Delete => ("-", ""),
                ForgeAction.Refuse => ("!", " is there already and belongs to somebody else"),
                _ => ("=", ""),
            };
            System.Console.WriteLine($"{sign} {step.Title}{note}");
            if (step.Action is ForgeAction.Create or ForgeAction.Update)
            {
                foreach (var change in step.Changes)
                {
                    Print(change);
                }
            }
        }

        var counts = plan.Steps.GroupBy(s => s.Action).ToDictionary(g => g.Key, g => g.Count());
        int Count(ForgeAction action) => counts.GetValueOrDefault(action);
        System.Console.WriteLine($"{plan.Name} in {plan.Region}: {Count(ForgeAction.Create)} to create, {Count(ForgeAction.Update)} to update, {Count(ForgeAction.Delete)} to delete, {Count(ForgeAction.Keep)} as they should be"
            + (Count(ForgeAction.Refuse) > 0 ? $", {Count(ForgeAction.Refuse)} that belong to somebody else" : ""));
    }

    public static int Cpus(double? given, int fallback) => given is { } cpus ? Convert.ToInt32(cpus, CultureInfo.InvariantCulture) : fallback;

    public static FloeException Usage(string message) => new(ExitCodes.Usage, message);

    /// <summary>Long texts line by line, as diff does.</summary>
    private static void Print(ForgeChange change)
    {
        if (!(change.From?.Contains('\n') ?? false) && !(change.To?.Contains('\n') ?? false))
        {
            System.Console.WriteLine(change.From is null ? $"    {change.Property}: {change.To}" : $"    {change.Property}: {change.From} -> {change.To}");
            return;
        }

        System.Console.WriteLine($"    {change.Property}:");
        var (from, to) = ((change.From ?? "").Split('\n'), (change.To ?? "").Split('\n'));
        foreach (var line in from.Except(to))
        {
            System.Console.WriteLine($"      - {line}");
        }

        foreach (var line in to.Except(from))
        {
            System.Console.WriteLine($"      + {line}");
        }
    }
}
