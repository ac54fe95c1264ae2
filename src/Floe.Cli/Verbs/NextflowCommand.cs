using System.CommandLine;

namespace Floe.Cli.Verbs;

/// <summary><c>floe nextflow</c>: what a pipeline's configuration needs.</summary>
internal static class NextflowCommand
{
    public static Command Build(Func<Microsoft.Extensions.Logging.ILoggerFactory> log)
    {
        var command = new Command("nextflow", """
            Print the lines that nextflow.config needs, or say of a configuration what is missing or wrong.

            Examples:
              floe nextflow config --work s3://bucket/work --region eu-central-1 --queue floe-work --type c6id.8xlarge
              nextflow config -flat | floe nextflow check -
            """);
        command.Subcommands.Add(NextflowConfigCommand.Build());
        command.Subcommands.Add(NextflowCheckCommand.Build(log));
        return command;
    }
}
