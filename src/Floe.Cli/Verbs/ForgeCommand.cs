using System.CommandLine;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe forge</c>: makes, shows and removes an AWS Batch environment that is right for snapshots.</summary>
internal static class ForgeCommand
{
    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("forge", """
            Make, show or remove an AWS Batch environment that is right for snapshots.

            It has Spot and on-demand compute environments with their queues, a launch template that mounts the NVMe, least-privilege roles, Amazon Linux 2023.
            Everything carries the tag floe:environment; what does not is never touched. A run that broke off is gone on with by the same line.

            Examples:
              floe forge create --name floe --region eu-central-1 --bucket my-bucket --memory 60GiB --dry-run
              floe forge create --name floe --region eu-central-1 --bucket my-bucket --type c6id.8xlarge --emit terraform > floe.tf
              floe forge show --name floe
              floe forge delete --name floe
            """);
        command.Subcommands.Add(ForgeCreateCommand.Build(log));
        command.Subcommands.Add(ForgeShowCommand.Build(log));
        command.Subcommands.Add(ForgeDeleteCommand.Build(log));
        return command;
    }
}
