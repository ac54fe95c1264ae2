using System.Text;
using System.Xml.Linq;

namespace Floe.Aws.Api;

public sealed record Ec2LaunchTemplate(string Id, string Name, long DefaultVersion, long LatestVersion, IReadOnlyDictionary<string, string> Tags);

/// <param name="UserData">Decoded; empty without.</param>
/// <param name="HopLimit">Of the metadata service's answers; null when not set (1 on most images, 2 on newer accounts).</param>
/// <param name="RootVolumeGB">Of the first volume; null when not set.</param>
public sealed record Ec2LaunchTemplateVersion(long Version, string Description, string UserData, string? ImageId, int? HopLimit, string? HttpTokens, long? RootVolumeGB);

public sealed record Ec2Subnet(string Id, string VpcId, string Zone, bool PublicAddresses);

/// <summary>Launch templates and networks.</summary>
public sealed partial class Ec2Api
{
    /// <param name="idOrName">Of the template; null when there is none such.</param>
    public async Task<Ec2LaunchTemplate?> FindLaunchTemplateAsync(string idOrName, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await client.QueryAsync(AwsService.Ec2, Version, "DescribeLaunchTemplates", [(IsTemplateId(idOrName) ? "LaunchTemplateId.1" : "LaunchTemplateName.1", idOrName)], cancellationToken).ConfigureAwait(false);
            return answer.Items("launchTemplates").Select(t => new Ec2LaunchTemplate(
                t.Text("launchTemplateId") ?? "", t.Text("launchTemplateName") ?? "", (long)(Number(t.Text("defaultVersionNumber")) ?? 1), (long)(Number(t.Text("latestVersionNumber")) ?? 1), Tags(t))).FirstOrDefault();
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
            var answer = await client.QueryAsync(AwsService.Ec2, Version, "DescribeLaunchTemplateVersions",
                [(IsTemplateId(idOrName) ? "LaunchTemplateId" : "LaunchTemplateName", idOrName), ("LaunchTemplateVersion.1", version)], cancellationToken).ConfigureAwait(false);
            if (answer.Items("launchTemplateVersionSet").FirstOrDefault() is not { } found)
            {
                return null;
            }

            var data = found.Child("launchTemplateData");
            var metadata = data?.Child("metadataOptions");
            return new Ec2LaunchTemplateVersion(
                (long)(Number(found.Text("versionNumber")) ?? 1), found.Text("versionDescription") ?? "", Decode(data?.Text("userData")), data?.Text("imageId"),
                (int?)Number(metadata?.Text("httpPutResponseHopLimit")), metadata?.Text("httpTokens"),
                (long?)Number(data?.Items("blockDeviceMappingSet").FirstOrDefault()?.Child("ebs")?.Text("volumeSize")));
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return null;
        }
    }

    /// <param name="data">Members of LaunchTemplateData, flattened as the Query API has them: "UserData", "MetadataOptions.HttpTokens".</param>
    public async Task CreateLaunchTemplateAsync(
        string name, string description, IReadOnlyList<(string Name, string Value)> data, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken) =>
        await client.QueryAsync(AwsService.Ec2, Version, "CreateLaunchTemplate",
            [("LaunchTemplateName", name), ("VersionDescription", description), .. Data(data), .. TagSpecification("launch-template", tags)], cancellationToken).ConfigureAwait(false);

    public async Task<long> CreateLaunchTemplateVersionAsync(
        string name, string description, IReadOnlyList<(string Name, string Value)> data, CancellationToken cancellationToken)
    {
        var answer = await client.QueryAsync(AwsService.Ec2, Version, "CreateLaunchTemplateVersion",
            [("LaunchTemplateName", name), ("VersionDescription", description), .. Data(data)], cancellationToken).ConfigureAwait(false);
        return (long)(Number(answer.Child("launchTemplateVersion")?.Text("versionNumber"))
            ?? throw new AwsException(AwsErrorKind.Malformed, "EC2 CreateLaunchTemplateVersion answered without a version number"));
    }

    public async Task DeleteLaunchTemplateAsync(string name, CancellationToken cancellationToken) =>
        await client.QueryAsync(AwsService.Ec2, Version, "DeleteLaunchTemplate", [("LaunchTemplateName", name)], cancellationToken).ConfigureAwait(false);

    /// <summary>Subnets of the default network, one or more a zone; empty where the account has none.</summary>
    public async Task<IReadOnlyList<Ec2Subnet>> DefaultSubnetsAsync(CancellationToken cancellationToken) =>
        await SubnetsAsync([("Filter.1.Name", "default-for-az"), ("Filter.1.Value.1", "true")], cancellationToken).ConfigureAwait(false);

    /// <summary>Those of the subnets that exist.</summary>
    public async Task<IReadOnlyList<Ec2Subnet>> DescribeSubnetsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken) =>
        await SubnetsAsync([.. ids.Select((id, i) => ($"Filter.1.Value.{i + 1}", id)), ("Filter.1.Name", "subnet-id")], cancellationToken).ConfigureAwait(false);

    /// <summary>The security group that a network has from its start; null when it is gone.</summary>
    public async Task<string?> DefaultSecurityGroupAsync(string vpcId, CancellationToken cancellationToken)
    {
        var answer = await client.QueryAsync(AwsService.Ec2, Version, "DescribeSecurityGroups",
            [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpcId), ("Filter.2.Name", "group-name"), ("Filter.2.Value.1", "default")], cancellationToken).ConfigureAwait(false);
        return answer.Items("securityGroupInfo").Select(g => g.Text("groupId")).FirstOrDefault();
    }

    private async Task<IReadOnlyList<Ec2Subnet>> SubnetsAsync(IReadOnlyList<(string, string)> parameters, CancellationToken cancellationToken)
    {
        var subnets = new List<Ec2Subnet>();
        await foreach (var page in PagesAsync("DescribeSubnets", parameters, cancellationToken).ConfigureAwait(false))
        {
            subnets.AddRange(page.Items("subnetSet").Where(s => s.Text("subnetId") is not null).Select(s => new Ec2Subnet(
                s.Text("subnetId")!, s.Text("vpcId") ?? "", s.Text("availabilityZone") ?? "", s.Text("mapPublicIpOnLaunch") == "true")));
        }

        return subnets;
    }

    private static bool IsTemplateId(string text) => text.StartsWith("lt-", StringComparison.Ordinal);

    private static IEnumerable<(string, string)> Data(IReadOnlyList<(string Name, string Value)> data) => data.Select(d => ("LaunchTemplateData." + d.Name, d.Value));

    private static IEnumerable<(string, string)> TagSpecification(string resource, IReadOnlyDictionary<string, string> tags) =>
        tags.SelectMany((tag, i) => new[] { ($"TagSpecification.1.Tag.{i + 1}.Key", tag.Key), ($"TagSpecification.1.Tag.{i + 1}.Value", tag.Value) }).Prepend(("TagSpecification.1.ResourceType", resource));

    private static Dictionary<string, string> Tags(XElement element)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in element.Items("tagSet"))
        {
            tags[tag.Text("key") ?? ""] = tag.Text("value") ?? "";
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
