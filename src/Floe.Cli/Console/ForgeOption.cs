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

    public static int Cpus(double? given, int fallback) => given is { } cpus ? Convert.ToInt32(cpus, CultureInfo.InvariantCulture) : fallback;

    public static FloeException Usage(string message) => new(ExitCodes.Usage, message);
}
