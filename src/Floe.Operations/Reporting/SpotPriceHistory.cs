using Floe.Agent.Trace;
using Floe.Aws.Api;

namespace Floe.Operations.Reporting;

/// <summary>EC2's Spot prices of the machines in traces, for the times when they ran.</summary>
public static class SpotPriceHistory
{
    // EC2 keeps this much.
    private static readonly TimeSpan s_kept = TimeSpan.FromDays(90);

    public static IReadOnlyDictionary<(string, string), IReadOnlyList<PricePoint>> None { get; } = new Dictionary<(string, string), IReadOnlyList<PricePoint>>();

    /// <param name="open">A client for a region, which is disposed here; null is the default region.</param>
    /// <exception cref="AwsException">EC2 refuses to tell.</exception>
    public static async Task<IReadOnlyDictionary<(string, string), IReadOnlyList<PricePoint>>> ReadAsync(
        IReadOnlyList<TraceDocument> traces, string? defaultRegion, DateTimeOffset now, Func<string?, AwsClient> open, CancellationToken cancellationToken)
    {
        var attempts = traces.SelectMany(t => t.Attempts).Where(a => a.Machine is { InstanceType: not null, AvailabilityZone: not null } && a.StartedAt > now - s_kept).ToList();
        var history = new Dictionary<(string, string), IReadOnlyList<PricePoint>>();
        foreach (var region in attempts.GroupBy(a => a.Machine!.Region is { } named && AwsOptions.IsRegion(named) ? named : defaultRegion))
        {
            var types = region.Select(a => a.Machine!.InstanceType!).Distinct().Where(Instances.InstanceType.IsName).Order(StringComparer.Ordinal).ToList();
            if (types.Count == 0)
            {
                // Without a type EC2 would tell the prices of all.
                continue;
            }

            using var client = open(region.Key);
            var prices = await new Ec2Api(client).DescribeSpotPricesAsync(types, region.Min(a => a.StartedAt), region.Max(a => a.EndedAt ?? a.StartedAt), cancellationToken).ConfigureAwait(false);
            foreach (var machine in prices.GroupBy(p => (p.InstanceType, p.Zone)))
            {
                history[machine.Key] = [.. machine.OrderBy(p => p.From).Select(p => new PricePoint(p.From, p.PerHour))];
            }
        }

        return history;
    }
}
