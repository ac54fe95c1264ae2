using System.Text;
using Amazon.EC2;
using Amazon.EC2.Model;

namespace Floe.Aws.Api;

public sealed record Ec2LaunchTemplate(string Id, string Name, long DefaultVersion, long LatestVersion, IReadOnlyDictionary<string, string> Tags);

/// <param name="UserData">Decoded; empty without.</param>
/// <param name="HopLimit">Of the metadata service's answers; null when not set (1 on most images, 2 on newer accounts).</param>
/// <param name="RootVolumeGB">Of the first volume; null when not set.</param>
public sealed record Ec2LaunchTemplateVersion(long Version, string Description, string UserData, string? ImageId, int? HopLimit, string? HttpTokens, long? RootVolumeGB);

/// <summary>What a version of a template is made of.</summary>
/// <param name="UserData">Not encoded.</param>
/// <param name="RootDevice">Name of the first volume, an encrypted gp3 that goes with its machine.</param>
/// <param name="Tags">Of the machines.</param>
public sealed record Ec2LaunchTemplateData(string UserData, string HttpTokens, int HopLimit, string RootDevice, int RootVolumeGB, IReadOnlyDictionary<string, string> Tags);

public sealed record Ec2Subnet(string Id, string VpcId, string Zone, bool PublicAddresses);

/// <summary>Launch templates and networks.</summary>
public sealed partial class Ec2Api
{
    /// <param name="idOrName">Of the template; null when there is none such.</param>
    public async Task<Ec2LaunchTemplate?> FindLaunchTemplateAsync(string idOrName, CancellationToken cancellationToken)
    {
        try
        {
            var request = IsTemplateId(idOrName) ? new DescribeLaunchTemplatesRequest { LaunchTemplateIds = [idOrName] } : new DescribeLaunchTemplatesRequest { LaunchTemplateNames = [idOrName] };
            var answer = await client.Ec2Async("DescribeLaunchTemplates", (ec2, limited) => ec2.DescribeLaunchTemplatesAsync(request, limited), cancellationToken).ConfigureAwait(false);
            return answer.LaunchTemplates is [var found, ..]
                ? new Ec2LaunchTemplate(found.LaunchTemplateId ?? "", found.LaunchTemplateName ?? "", found.DefaultVersionNumber ?? 1, found.LatestVersionNumber ?? 1, Tags(found.Tags))
                : null;
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return null;
        }
    }

    /// <param name="version">A number, $Latest or $Default.</param>
    public async Task<Ec2LaunchTemplateVersion?> GetLaunchTemplateVersionAsync(string idOrName, string version, CancellationToken cancellationToken)
    {
        try
        {
            var request = IsTemplateId(idOrName) ? new DescribeLaunchTemplateVersionsRequest { LaunchTemplateId = idOrName } : new DescribeLaunchTemplateVersionsRequest { LaunchTemplateName = idOrName };
            request.Versions = [version];
            var answer = await client.Ec2Async("DescribeLaunchTemplateVersions", (ec2, limited) => ec2.DescribeLaunchTemplateVersionsAsync(request, limited), cancellationToken).ConfigureAwait(false);
            if (answer.LaunchTemplateVersions is not [var found, ..])
            {
                return null;
            }

            var data = found.LaunchTemplateData;
            return new Ec2LaunchTemplateVersion(
                found.VersionNumber ?? 1, found.VersionDescription ?? "", Decode(data?.UserData), Text(data?.ImageId), data?.MetadataOptions?.HttpPutResponseHopLimit,
                Text(data?.MetadataOptions?.HttpTokens?.Value), data?.BlockDeviceMappings?.FirstOrDefault()?.Ebs?.VolumeSize);
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return null;
        }
    }

    public async Task CreateLaunchTemplateAsync(string name, string description, Ec2LaunchTemplateData data, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken)
    {
        var request = new CreateLaunchTemplateRequest
        {
            ClientToken = Guid.NewGuid().ToString(),
            LaunchTemplateName = name,
            VersionDescription = description,
            LaunchTemplateData = Data(data),
            TagSpecifications = [new TagSpecification { ResourceType = ResourceType.LaunchTemplate, Tags = Tags(tags) }],
        };
        await client.Ec2Async("CreateLaunchTemplate", (ec2, limited) => ec2.CreateLaunchTemplateAsync(request, limited), cancellationToken).ConfigureAwait(false);
    }

    public async Task<long> CreateLaunchTemplateVersionAsync(string name, string description, Ec2LaunchTemplateData data, CancellationToken cancellationToken)
    {
        var request = new CreateLaunchTemplateVersionRequest { ClientToken = Guid.NewGuid().ToString(), LaunchTemplateName = name, VersionDescription = description, LaunchTemplateData = Data(data) };
        var answer = await client.Ec2Async("CreateLaunchTemplateVersion", (ec2, limited) => ec2.CreateLaunchTemplateVersionAsync(request, limited), cancellationToken).ConfigureAwait(false);
        return answer.LaunchTemplateVersion?.VersionNumber ?? throw new AwsException(AwsErrorKind.Malformed, "EC2 CreateLaunchTemplateVersion answered without a version number");
    }

    public async Task DeleteLaunchTemplateAsync(string name, CancellationToken cancellationToken)
    {
        var request = new DeleteLaunchTemplateRequest { LaunchTemplateName = name };
        await client.Ec2Async("DeleteLaunchTemplate", (ec2, limited) => ec2.DeleteLaunchTemplateAsync(request, limited), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Subnets of the default network, one or more a zone; empty where the account has none.</summary>
    public Task<IReadOnlyList<Ec2Subnet>> DefaultSubnetsAsync(CancellationToken cancellationToken) => SubnetsAsync(Filter("default-for-az", ["true"]), cancellationToken);

    /// <summary>Those of the subnets that exist.</summary>
    public Task<IReadOnlyList<Ec2Subnet>> DescribeSubnetsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken) => SubnetsAsync(Filter("subnet-id", ids), cancellationToken);

    /// <summary>The security group that a network has from its start; null when it is gone.</summary>
    public async Task<string?> DefaultSecurityGroupAsync(string vpcId, CancellationToken cancellationToken)
    {
        var request = new DescribeSecurityGroupsRequest { Filters = [Filter("vpc-id", [vpcId]), Filter("group-name", ["default"])] };
        var answer = await client.Ec2Async("DescribeSecurityGroups", (ec2, limited) => ec2.DescribeSecurityGroupsAsync(request, limited), cancellationToken).ConfigureAwait(false);
        return answer.SecurityGroups is [var group, ..] ? Text(group.GroupId) : null;
    }

    private async Task<IReadOnlyList<Ec2Subnet>> SubnetsAsync(Filter filter, CancellationToken cancellationToken)
    {
        var pages = await AwsPages.ReadAsync(
            token =>
            {
                var request = new DescribeSubnetsRequest { Filters = [filter], NextToken = token };
                return client.Ec2Async("DescribeSubnets", (ec2, limited) => ec2.DescribeSubnetsAsync(request, limited), cancellationToken);
            },
            page => page.NextToken).ConfigureAwait(false);
        return [.. pages.SelectMany(p => p.Subnets ?? []).Where(s => Text(s.SubnetId) is not null).Select(s => new Ec2Subnet(
            s.SubnetId, s.VpcId ?? "", s.AvailabilityZone ?? "", s.MapPublicIpOnLaunch == true))];
    }

    private static bool IsTemplateId(string text) => text.StartsWith("lt-", StringComparison.Ordinal);

    private static RequestLaunchTemplateData Data(Ec2LaunchTemplateData data) => new()
    {
        UserData = Convert.ToBase64String(Encoding.UTF8.GetBytes(data.UserData)),
        MetadataOptions = new LaunchTemplateInstanceMetadataOptionsRequest { HttpTokens = data.HttpTokens, HttpPutResponseHopLimit = data.HopLimit },
        BlockDeviceMappings =
        [
            new LaunchTemplateBlockDeviceMappingRequest
            {
                DeviceName = data.RootDevice,
                Ebs = new LaunchTemplateEbsBlockDeviceRequest { VolumeSize = data.RootVolumeGB, VolumeType = VolumeType.Gp3, Encrypted = true, DeleteOnTermination = true },
            },
        ],
        TagSpecifications = [new LaunchTemplateTagSpecificationRequest { ResourceType = ResourceType.Instance, Tags = Tags(data.Tags) }],
    };

    private static List<Tag> Tags(IReadOnlyDictionary<string, string> tags) => [.. tags.Select(t => new Tag(t.Key, t.Value))];

    private static Dictionary<string, string> Tags(List<Tag>? list)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in list ?? [])
        {
            tags[tag.Key ?? ""] = tag.Value ?? "";
        }

        return tags;
    }

    private static string Decode(string? base64)
    {
        try
        {
            return base64 is null ? "" : Encoding.UTF8.GetString(Convert.FromBase64String(base64));
        }
        catch (FormatException)
        {
            return "";
        }
    }
}
