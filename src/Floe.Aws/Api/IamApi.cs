using System.Xml.Linq;

namespace Floe.Aws.Api;

public sealed record IamRole(string Name, string Arn, string TrustPolicy, IReadOnlyDictionary<string, string> Tags);

public sealed record IamInstanceProfile(string Name, string Arn, IReadOnlyList<string> Roles, IReadOnlyDictionary<string, string> Tags);

/// <summary>Roles, their policies and instance profiles. Query API, version 2010-05-08.</summary>
public sealed class IamApi(AwsClient client)
{
    private const string Version = "2010-05-08";

    public async Task<IamRole?> GetRoleAsync(string name, CancellationToken cancellationToken)
    {
        var role = (await FindAsync("GetRole", [("RoleName", name)], cancellationToken).ConfigureAwait(false))?.Child("GetRoleResult")?.Child("Role");
        return role is null ? null : new IamRole(name, role.Text("Arn") ?? "", Document(role.Text("AssumeRolePolicyDocument")), Tags(role));
    }

    public async Task<IamInstanceProfile?> GetInstanceProfileAsync(string name, CancellationToken cancellationToken)
    {
        var profile = (await FindAsync("GetInstanceProfile", [("InstanceProfileName", name)], cancellationToken).ConfigureAwait(false))?.Child("GetInstanceProfileResult")?.Child("InstanceProfile");
        return profile is null ? null : new IamInstanceProfile(name, profile.Text("Arn") ?? "", [.. profile.Items("Roles").Select(r => r.Text("RoleName")).OfType<string>()], Tags(profile));
    }

    public async Task<IReadOnlyList<string>> ListAttachedPoliciesAsync(string role, CancellationToken cancellationToken) =>
        [.. (await PagesAsync("ListAttachedRolePolicies", role, cancellationToken).ConfigureAwait(false)).SelectMany(r => r.Items("AttachedPolicies")).Select(p => p.Text("PolicyArn")).OfType<string>()];

    public async Task<IReadOnlyList<string>> ListInlinePoliciesAsync(string role, CancellationToken cancellationToken) =>
        [.. (await PagesAsync("ListRolePolicies", role, cancellationToken).ConfigureAwait(false)).SelectMany(r => r.Items("PolicyNames")).Select(p => p.Value.Trim())];

    /// <summary>The policy as JSON; null when the role has none of that name.</summary>
    public async Task<string?> GetInlinePolicyAsync(string role, string policy, CancellationToken cancellationToken)
    {
        var answer = await FindAsync("GetRolePolicy", [("RoleName", role), ("PolicyName", policy)], cancellationToken).ConfigureAwait(false);
        return answer?.Child("GetRolePolicyResult")?.Text("PolicyDocument") is { } text ? Document(text) : null;
    }

    /// <summary>The default version of a managed policy as JSON; null when there is no such policy.</summary>
    public async Task<string?> GetManagedPolicyAsync(string arn, CancellationToken cancellationToken)
    {
        var policy = (await FindAsync("GetPolicy", [("PolicyArn", arn)], cancellationToken).ConfigureAwait(false))?.Child("GetPolicyResult")?.Child("Policy");
        if (policy?.Text("DefaultVersionId") is not { } version)
        {
            return null;
        }

        var answer = await FindAsync("GetPolicyVersion", [("PolicyArn", arn), ("VersionId", version)], cancellationToken).ConfigureAwait(false);
        return answer?.Child("GetPolicyVersionResult")?.Child("PolicyVersion")?.Text("Document") is { } text ? Document(text) : null;
    }

    public Task CreateRoleAsync(string name, string trustPolicy, string description, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken) =>
        DoAsync("CreateRole", [("RoleName", name), ("AssumeRolePolicyDocument", trustPolicy), ("Description", description), .. Tags(tags)], cancellationToken);

    public Task UpdateTrustAsync(string role, string trustPolicy, CancellationToken cancellationToken) =>
        DoAsync("UpdateAssumeRolePolicy", [("RoleName", role), ("PolicyDocument", trustPolicy)], cancellationToken);

    public Task PutInlinePolicyAsync(string role, string policy, string document, CancellationToken cancellationToken) =>
        DoAsync("PutRolePolicy", [("RoleName", role), ("PolicyName", policy), ("PolicyDocument", document)], cancellationToken);

    public Task DeleteInlinePolicyAsync(string role, string policy, CancellationToken cancellationToken) =>
        DoAsync("DeleteRolePolicy", [("RoleName", role), ("PolicyName", policy)], cancellationToken);

    public Task DeleteRoleAsync(string name, CancellationToken cancellationToken) => DoAsync("DeleteRole", [("RoleName", name)], cancellationToken);

    public Task CreateInstanceProfileAsync(string name, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken) =>
        DoAsync("CreateInstanceProfile", [("InstanceProfileName", name), .. Tags(tags)], cancellationToken);

    public Task AddRoleToInstanceProfileAsync(string profile, string role, CancellationToken cancellationToken) =>
        DoAsync("AddRoleToInstanceProfile", [("InstanceProfileName", profile), ("RoleName", role)], cancellationToken);

    public Task RemoveRoleFromInstanceProfileAsync(string profile, string role, CancellationToken cancellationToken) =>
        DoAsync("RemoveRoleFromInstanceProfile", [("InstanceProfileName", profile), ("RoleName", role)], cancellationToken);

    public Task DeleteInstanceProfileAsync(string name, CancellationToken cancellationToken) =>
        DoAsync("DeleteInstanceProfile", [("InstanceProfileName", name)], cancellationToken);

    private async Task<XElement?> FindAsync(string action, IReadOnlyList<(string, string)> parameters, CancellationToken cancellationToken)
    {
        try
        {
            return await client.QueryAsync(AwsService.Iam, Version, action, parameters, cancellationToken).ConfigureAwait(false);
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return null;
        }
    }

    private async Task DoAsync(string action, IReadOnlyList<(string, string)> parameters, CancellationToken cancellationToken) =>
        await client.QueryAsync(AwsService.Iam, Version, action, parameters, cancellationToken).ConfigureAwait(false);

    private async Task<IReadOnlyList<XElement>> PagesAsync(string action, string role, CancellationToken cancellationToken)
    {
        var pages = await AwsPages.ReadAsync(
            marker =>
            {
                IEnumerable<(string, string)> parameters = marker is null ? [("RoleName", role)] : [("RoleName", role), ("Marker", marker)];
                return client.QueryAsync(AwsService.Iam, Version, action, parameters, cancellationToken);
            },
            page => page.Child(action + "Result") is { } result && result.Text("IsTruncated") == "true" ? result.Text("Marker") : null).ConfigureAwait(false);
        return [.. pages.Select(p => p.Child(action + "Result")).OfType<XElement>()];
    }

    private static IEnumerable<(string, string)> Tags(IReadOnlyDictionary<string, string> tags) =>
        tags.SelectMany((tag, i) => new[] { ($"Tags.member.{i + 1}.Key", tag.Key), ($"Tags.member.{i + 1}.Value", tag.Value) });

    private static Dictionary<string, string> Tags(XElement element)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in element.Items("Tags"))
        {
            tags[tag.Text("Key") ?? ""] = tag.Text("Value") ?? "";
        }

        return tags;
    }

    /// <summary>IAM percent-encodes policies in its answers.</summary>
    private static string Document(string? text) => text is null ? "" : text.TrimStart().StartsWith('{') ? text : Uri.UnescapeDataString(text);
}
