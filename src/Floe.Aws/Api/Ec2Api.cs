using System.Globalization;
using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace Floe.Aws.Api;

/// <summary>An instance type as EC2 describes it. Bandwidth is the sum of the network cards, decimal Gbps, capped at the headline figure.</summary>
public sealed record Ec2InstanceType(
    string Name, IReadOnlyList<string> Architectures, int VirtualCpus, long MemoryMiB, double BaselineGbps, double PeakGbps,
    string NetworkPerformance, long NvmeGB, int Gpus, bool Spot, bool CurrentGeneration, bool BareMetal);

public sealed record Ec2SpotPrice(string InstanceType, string Zone, DateTimeOffset From, double PerHour);

public sealed record Ec2Image(string Id, string Name, string Description, string Architecture, string State, string Owner, string CreationDate);

/// <summary>EC2's part of an environment: types, prices, images. Query API, version 2016-11-15.</summary>
public sealed partial class Ec2Api(AwsClient client)
{
    private const string Version = "2016-11-15";
    private const int MaxPages = 1000;

    /// <param name="names">Null for all; names, or families as c6id.* (names that do not exist are missing in the answer).</param>
    public async Task<IReadOnlyList<Ec2InstanceType>> DescribeInstanceTypesAsync(IReadOnlyList<string>? names, CancellationToken cancellationToken)
    {
        var types = new List<Ec2InstanceType>();

        // EC2 takes at most 200 values for a filter.
        foreach (var chunk in names is null ? [[]] : names.Chunk(200))
        {
            (string, string)[] parameters = names is null ? [("MaxResults", "100")] : [("Filter.1.Name", "instance-type"), .. chunk.Select((name, i) => ($"Filter.1.Value.{i + 1}", name))];
            await foreach (var page in PagesAsync("DescribeInstanceTypes", parameters, cancellationToken).ConfigureAwait(false))
            {
                types.AddRange(page.Items("instanceTypeSet").Select(ReadType).OfType<Ec2InstanceType>());
            }
        }

        return types;
    }

    /// <summary>Spot prices of Linux machines that held from <paramref name="from"/> to <paramref name="to"/>; the first may be from before. EC2 keeps 90 days.</summary>
    public async Task<IReadOnlyList<Ec2SpotPrice>> DescribeSpotPricesAsync(
        IReadOnlyList<string> types, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        var parameters = types.Select((type, i) => ($"InstanceType.{i + 1}", type))
            .Append(("ProductDescription.1", "Linux/UNIX"))
            .Append(("StartTime", Time(from))).Append(("EndTime", Time(to)));
        var prices = new List<Ec2SpotPrice>();
        await foreach (var page in PagesAsync("DescribeSpotPriceHistory", [.. parameters], cancellationToken).ConfigureAwait(false))
        {
            foreach (var item in page.Items("spotPriceHistorySet"))
            {
                if (item.Text("instanceType") is { } type && item.Text("availabilityZone") is { } zone
                    && DateTimeOffset.TryParse(item.Text("timestamp"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
                    && Number(item.Text("spotPrice")) is > 0 and < 100_000 and var price)
                {
                    prices.Add(new Ec2SpotPrice(type, zone, at, price));
                }
            }
        }

        return prices;
    }

    /// <summary>Those of the images that exist and may be seen.</summary>
    public async Task<IReadOnlyList<Ec2Image>> DescribeImagesAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await client.QueryAsync(AwsService.Ec2, Version, "DescribeImages", ids.Select((id, i) => ($"ImageId.{i + 1}", id)), cancellationToken).ConfigureAwait(false);
            return [.. answer.Items("imagesSet").Where(i => i.Text("imageId") is not null).Select(i => new Ec2Image(
                i.Text("imageId")!, i.Text("name") ?? "", i.Text("description") ?? "", i.Text("architecture") ?? "", i.Text("imageState") ?? "",
                i.Text("imageOwnerAlias") ?? i.Text("imageOwnerId") ?? "", i.Text("creationDate") ?? ""))];
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return [];
        }
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private async IAsyncEnumerable<XElement> PagesAsync(
        string action, IReadOnlyList<(string, string)> parameters, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? token = null;
        for (var page = 0; page < MaxPages; page++)
        {
            var answer = await client.QueryAsync(
                AwsService.Ec2, Version, action, token is null ? parameters : parameters.Append(("NextToken", token)), cancellationToken).ConfigureAwait(false);
            yield return answer;
            var next = answer.Text("nextToken");
            if (next is null || next == token)
            {
                yield break;
            }

            token = next;
        }
    }

    /// <summary>Null for a type without the figures that count.</summary>
    private static Ec2InstanceType? ReadType(XElement item)
    {
        if (item.Text("instanceType") is not { } name || Number(item.Child("memoryInfo")?.Text("sizeInMiB")) is not { } memory
            || Number(item.Child("vCpuInfo")?.Text("defaultVCpus")) is not { } cpus)
        {
            return null;
        }

        var network = item.Child("networkInfo");
        var headline = network?.Text("networkPerformance") ?? "";
        var cap = Headline(headline) ?? double.PositiveInfinity;
        var cards = network?.Items("networkCards").ToList() ?? [];
        return new Ec2InstanceType(
            name,
            [.. item.Child("processorInfo")?.Items("supportedArchitectures").Select(a => a.Value) ?? []],
            (int)cpus,
            (long)memory,
            Math.Min(cap, cards.Sum(c => Number(c.Text("baselineBandwidthInGbps")) ?? 0)),
            Math.Min(cap, cards.Sum(c => Number(c.Text("peakBandwidthInGbps")) ?? 0)),
            headline,
            Nvme(item.Child("instanceStorageInfo")),
            (int)(item.Child("gpuInfo")?.Items("gpus").Sum(g => Number(g.Text("count")) ?? 0) ?? 0),
            item.Items("supportedUsageClasses").Any(c => c.Value == "spot"),
            item.Text("currentGeneration") == "true",
            item.Text("bareMetal") == "true");
    }

    /// <summary>GB of NVMe: neither disks that turn (d3en has such, as NVMe devices) nor SSDs of another kind.</summary>
    private static long Nvme(XElement? storage) =>
        storage is null || storage.Text("nvmeSupport") == "unsupported" || storage.Items("disks").Any(d => d.Text("type") == "hdd") ? 0 : (long)(Number(storage.Text("totalSizeInGB")) ?? 0);

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

    private static double? Number(string? text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number : null;
}
