using System.CommandLine;
using Floe.Agent;
using Floe.Aws.Api;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Console;

/// <summary>How verbs that ask AWS get at it.</summary>
internal static class AwsOption
{
    public static Option<string?> Region() => new("--region") { HelpName = "REGION", Description = "AWS region; default: AWS_REGION, the profile's, or the instance's" };

    /// <exception cref="FloeException">A variable or the region makes no sense.</exception>
    public static AwsClient Open(string? region, ILoggerFactory log)
    {
        try
        {
            return new AwsClient(AwsOptions.FromEnvironment(Environment.GetEnvironmentVariable, region), TimeProvider.System, log.CreateLogger<AwsClient>());
        }
        catch (AwsException e)
        {
            throw new FloeException(ExitCodes.Usage, e.Message, e);
        }
    }

    /// <summary>Bad input for what the user can mend on the command line, else 1.</summary>
    public static int ExitCode(AwsException e) => e.Kind is AwsErrorKind.Region ? ExitCodes.Usage : 1;
}
