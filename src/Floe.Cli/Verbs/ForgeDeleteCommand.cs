using System.CommandLine;
using System.Text.Json;
using Floe.Cli.Console;
using Floe.Operations.Forge;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe forge delete</c>: removes an environment, and nothing else.</summary>
internal static class ForgeDeleteCommand
{
    private static readonly Option<string> s_name = ForgeOption.Name();
    private static readonly Option<string?> s_region = AwsOption.Region();
    private static readonly Option<bool> s_dryRun = new("--dry-run") { Description = "Print what would be removed, and do nothing" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print the plan as JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("delete", """
            Remove an environment: its queues and compute environments (jobs in them end), launch template and roles. Buckets are not its own and stay.
            Only what carries its tag is removed. A run that broke off is gone on with by the same line.

            Example:
              floe forge delete --name floe --region eu-central-1 --dry-run
            """);
        foreach (var option in (Option[])[s_name, s_region, s_dryRun, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        using var client = AwsOption.Open(parsed.GetValue(s_region), log);
        var json = parsed.GetValue(s_json);
        var spec = ForgeOption.Bare(parsed.GetValue(s_name)!, await client.RegionAsync(cancellationToken).ConfigureAwait(false));
        var forger = new Forger(client, spec, TimeProvider.System, line => (json ? System.Console.Error : System.Console.Out).WriteLine(line));
        var plan = await forger.PlanDeletionAsync(cancellationToken).ConfigureAwait(false);
        if (json)
        {
            System.Console.WriteLine(JsonSerializer.Serialize(plan, ForgeJson.Default.ForgePlan));
        }
        else
        {
            ForgeText.Print(plan);
        }

        if (!parsed.GetValue(s_dryRun))
        {
            await forger.DeleteAsync(plan, cancellationToken).ConfigureAwait(false);
        }

        return 0;
    }
}
