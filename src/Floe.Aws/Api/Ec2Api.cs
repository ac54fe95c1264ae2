using System.Globalization;
using Amazon.EC2;
using Amazon.EC2.Model;

namespace Floe.Aws.Api;

/// <summary>An instance type as EC2 describes it. Bandwidth is the sum of the network cards, decimal Gbps, capped at the headline figure.</summary>
public sealed record Ec2InstanceType(
    string Name, IReadOnlyList<string> Architectures, int VirtualCpus, long MemoryMiB, double BaselineGbps, double PeakGbps,
    string NetworkPerformance, long NvmeGB, int Gpus, bool Spot, bool CurrentGeneration, bool BareMetal);

/// <param name="From">UTC; it held until the next one of the same type and zone.</param>
/// <param name="PerHour">US dollars for an hour of a Linux machine.</param>
public sealed record Ec2SpotPrice(string InstanceType, string Zone, DateTimeOffset From, double PerHour);

public sealed record Ec2Image(string Id, string Name, string Description, string Architecture, string State, string Owner, string CreationDate);

/// <summary>EC2's part of an environment: types, prices, images. What the SDK leaves null was not in the answer.</summary>
public sealed partial class Ec2Api(AwsClient client)
{
    /// <param name="names">Null for all; names, or families as c6id.* (names that do not exist are missing in the answer).</param>
    public async Task<IReadOnlyList<Ec2InstanceType>> DescribeInstanceTypesAsync(IReadOnlyList<string>? names, CancellationToken cancellationToken)
    {
        var types = new List<Ec2InstanceType>();

        // EC2 takes at most 200 values for a filter.
        foreach (var chunk in names is null ? [[]] : names.Chunk(200))
        {
            var pages = await AwsPages.ReadAsync(
                token =>
                {
                    var request = names is null ? new DescribeInstanceTypesRequest { MaxResults = 100 } : new DescribeInstanceTypesRequest { Filters = [Filter("instance-type", chunk)] };
                    request.NextToken = token;
                    return client.Ec2Async("DescribeInstanceTypes", (ec2, limited) => ec2.DescribeInstanceTypesAsync(request, limited), cancellationToken);
                },
                page => page.NextToken).ConfigureAwait(false);
            types.AddRange(pages.SelectMany(p => p.InstanceTypes ?? []).Select(ReadType).OfType<Ec2InstanceType>());
        }

        return types;
    }

    /// <summary>Spot prices of Linux machines that held from <paramref name="from"/> to <paramref name="to"/>; the first may be from before. EC2 keeps 90 days.</summary>
    public async Task<IReadOnlyList<Ec2SpotPrice>> DescribeSpotPricesAsync(
        IReadOnlyList<string> types, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        var pages = await AwsPages.ReadAsync(
            token =>
            {
                var request = new DescribeSpotPriceHistoryRequest
                {
                    InstanceTypes = [.. types], ProductDescriptions = ["Linux/UNIX"], StartTime = from.UtcDateTime, EndTime = to.UtcDateTime, NextToken = token,
                };
                return client.Ec2Async("DescribeSpotPriceHistory", (ec2, limited) => ec2.DescribeSpotPriceHistoryAsync(request, limited), cancellationToken);
            },
            page => page.NextToken).ConfigureAwait(false);
        var prices = new List<Ec2SpotPrice>();
        foreach (var item in pages.SelectMany(p => p.SpotPriceHistory ?? []))
        {
            if (Text(item.InstanceType?.Value) is { } type && Text(item.AvailabilityZone) is { } zone && item.Timestamp is { } at && Number(item.Price) is > 0 and < 100_000 and var price)
            {
                prices.Add(new Ec2SpotPrice(type, zone, at.ToUniversalTime(), price));
            }
        }

        return prices;
    }

    /// <summary>Those of the images that exist and may be seen.</summary>
    public async Task<IReadOnlyList<Ec2Image>> DescribeImagesAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        try
        {
            var request = new DescribeImagesRequest { ImageIds = [.. ids] };
            var answer = await client.Ec2Async("DescribeImages", (ec2, limited) => ec2.DescribeImagesAsync(request, limited), cancellationToken).ConfigureAwait(false);
            return [.. (answer.Images ?? []).Where(i => Text(i.ImageId) is not null).Select(i => new Ec2Image(
                i.ImageId, i.Name ?? "", i.Description ?? "", i.Architecture?.Value ?? "", i.State?.Value ?? "", Text(i.ImageOwnerAlias) ?? i.OwnerId ?? "", i.CreationDate ?? ""))];
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return [];
        }
    }

    /// <summary>Null for a type without the figures that count.</summary>
    private static Ec2InstanceType? ReadType(InstanceTypeInfo item)
    {
        if (Text(item.InstanceType?.Value) is not { } name || item.MemoryInfo?.SizeInMiB is not { } memory || item.VCpuInfo?.DefaultVCpus is not { } cpus)
        {
            return null;
        }

        var headline = item.NetworkInfo?.NetworkPerformance ?? "";
        var cap = Headline(headline) ?? double.PositiveInfinity;
        var cards = item.NetworkInfo?.NetworkCards ?? [];
        return new Ec2InstanceType(
            name,
            item.ProcessorInfo?.SupportedArchitectures ?? [],
            cpus,
            memory,
            Math.Min(cap, cards.Sum(c => c.BaselineBandwidthInGbps ?? 0)),
            Math.Min(cap, cards.Sum(c => c.PeakBandwidthInGbps ?? 0)),
            headline,
            Nvme(item.InstanceStorageInfo),
            item.GpuInfo?.Gpus?.Sum(g => g.Count ?? 0) ?? 0,
            item.SupportedUsageClasses?.Contains("spot") == true,
            item.CurrentGeneration == true,
            item.BareMetal == true);
    }

    /// <summary>GB of NVMe: neither disks that turn (d3en has such, as NVMe devices) nor SSDs of another kind.</summary>
    private static long Nvme(InstanceStorageInfo? storage) =>
        storage is null || storage.NvmeSupport == EphemeralNvmeSupport.Unsupported || storage.Disks?.Any(d => d.Type == DiskType.Hdd) == true ? 0 : storage.TotalSizeInGB ?? 0;

    /// <summary>"12.5 Gigabit", "Up to 40 Gigabit", "8x 100 Gigabit"; null for words like "Moderate".</summary>
    internal static double? Headline(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var at = Array.FindIndex(words, w => w.StartsWith("Gigabit", StringComparison.Ordinal));
        if (at < 1 || Number(words[at - 1]) is not { } gbps)
        {
            return null;
        }

        return at >= 2 && words[at - 2].EndsWith('x') && Number(words[at - 2][..^1]) is { } cards ? cards * gbps : gbps;
    }

    private static Filter Filter(string name, IEnumerable<string> values) => new() { Name = name, Values = [.. values] };

    /// <summary>An element that is there and empty says as little as one that is missing.</summary>
    private static string? Text(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static double? Number(string? text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number : null;
}
