using Floe.Aws.Api;

namespace Floe.Operations.Instances;

/// <summary>EC2's own word on its types, where it can be had.</summary>
public static class LiveInstanceTable
{
    /// <summary>
    /// EC2's description when there are credentials, else the embedded table. <paramref name="note"/> hears why it is not live, but only
    /// where somebody with credentials would expect it to be.
    /// </summary>
    /// <param name="names">Null for all types; else names, or families as c6id.*.</param>
    public static async Task<InstanceTable> ReadAsync(AwsClient client, IReadOnlyList<string>? names, Action<string> note, CancellationToken cancellationToken)
    {
        try
        {
            if (!await client.HasCredentialsAsync(cancellationToken).ConfigureAwait(false))
            {
                return InstanceTable.Embedded();
            }

            var region = await client.RegionAsync(cancellationToken).ConfigureAwait(false);
            var types = await new Ec2Api(client).DescribeInstanceTypesAsync(names, cancellationToken).ConfigureAwait(false);
            if (types.Count > 0 || names is not null)
            {
                return new InstanceTable([.. types.Select(From)], $"EC2's types in {region}", true);
            }

            note($"EC2 names no instance type in {region}");
        }
        catch (AwsException e)
        {
            note(e.Message);
        }

        return InstanceTable.Embedded();
    }

    public static InstanceType From(Ec2InstanceType type) => new()
    {
        Name = type.Name,
        Architectures = type.Architectures,
        VirtualCpus = type.VirtualCpus,
        MemoryMiB = type.MemoryMiB,
        BaselineGbps = type.BaselineGbps,
        PeakGbps = type.PeakGbps,
        NvmeGB = type.NvmeGB,
        Gpus = type.Gpus,
        Spot = type.Spot,
        CurrentGeneration = type.CurrentGeneration,
        BareMetal = type.BareMetal,
    };
}
