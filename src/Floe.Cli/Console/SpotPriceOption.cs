using System.CommandLine;
using System.Globalization;
using Floe.Agent.Trace;
using Floe.Aws.Api;
using Floe.Operations.Reporting;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Console;

/// <summary>The options that say what a machine's hour costs.</summary>
internal static class SpotPriceOption
{
    public static readonly Option<bool> History = new("--spot-history") { Description = "Ask EC2 for the Spot prices of the machines' types and zones at the time (90 days are kept; needs ec2:DescribeSpotPriceHistory)" };

    public static readonly Option<double> Share = new("--share")
    {
        HelpName = "PART",
        Description = "The part of a machine that one task pays for, when several share it",
        DefaultValueFactory = static _ => 1,
        CustomParser = static result =>
        {
            var text = result.Tokens[0].Value;
            if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share is > 0 and <= 1)
            {
                return share;
            }

            result.AddError($"--share takes a number above 0, at most 1; not '{text}'");
            return 1;
        },
    };

    public static readonly Option<string?> Region = new("--region") { HelpName = "REGION", Description = "For --spot-history, where a trace names none" };

    /// <exception cref="AwsException">EC2 refuses to tell.</exception>
    public static async Task<PriceList> ReadAsync(ParseResult parsed, string[] given, IReadOnlyList<TraceDocument> traces, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var share = parsed.GetValue(Share);
        if (!parsed.GetValue(History))
        {
            return PriceList.Of(given, SpotPriceHistory.None, share);
        }

        return PriceList.Of(given, await SpotPriceHistory.ReadAsync(traces, parsed.GetValue(Region), TimeProvider.System.GetUtcNow(), region => AwsOption.Open(region, log), cancellationToken).ConfigureAwait(false), share);
    }
}
