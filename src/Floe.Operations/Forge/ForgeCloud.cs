using System.Globalization;
using System.Text.Json.Nodes;
using Floe.Aws.Api;

namespace Floe.Operations.Forge;

/// <summary>Reads, makes, changes and removes single resources. Who may be touched is decided above.</summary>
internal sealed class ForgeCloud(AwsClient client, ForgeSpec spec)
{
    private readonly IamApi _iam = new(client);
    private readonly Ec2Api _ec2 = new(client);
    private readonly BatchApi _batch = new(client);

    /// <summary>Null when there is none of that name, or it is gone but for a while to be listed.</summary>
    public Task<ActualResource?> ReadAsync(ForgeResource wanted, CancellationToken cancellationToken) => wanted.Kind switch
    {
        ForgeKind.Role => ReadRoleAsync(wanted.Name, cancellationToken),
        ForgeKind.InstanceProfile => ReadProfileAsync(wanted.Name, cancellationToken),
        ForgeKind.LaunchTemplate => ReadTemplateAsync(wanted.Name, cancellationToken),
        ForgeKind.ComputeEnvironment => ReadEnvironmentAsync(wanted.Name, cancellationToken),
        _ => ReadQueueAsync(wanted.Name, cancellationToken),
    };

    public async Task CreateAsync(ForgeResource r, CancellationToken cancellationToken)
    {
        switch (r.Kind)
        {
            case ForgeKind.Role:
                await _iam.CreateRoleAsync(r.Name, r.Properties["trust"], $"Of the environment {spec.Name}, made by floe forge", spec.Tags, cancellationToken).ConfigureAwait(false);
                await _iam.PutInlinePolicyAsync(r.Name, ForgeResources.PolicyName, r.Properties["policy"], cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.InstanceProfile:
                await _iam.CreateInstanceProfileAsync(r.Name, spec.Tags, cancellationToken).ConfigureAwait(false);
                await _iam.AddRoleToInstanceProfileAsync(r.Name, r.Properties["role"], cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.LaunchTemplate:
                await _ec2.CreateLaunchTemplateAsync(r.Name, Description, TemplateData(r), spec.Tags, cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.ComputeEnvironment:
                await _batch.CreateEnvironmentAsync(BatchInputs.Create(spec, r), cancellationToken).ConfigureAwait(false);
                break;
            default:
                await _batch.CreateQueueAsync(BatchInputs.Queue(spec, r, "jobQueueName"), cancellationToken).ConfigureAwait(false);
                break;
        }
    }

    public async Task UpdateAsync(ForgeStep step, CancellationToken cancellationToken)
    {
        var r = step.Resource;
        switch (r.Kind)
        {
            case ForgeKind.Role:
                foreach (var change in step.Changes)
                {
                    await (change.Property == "trust" ? _iam.UpdateTrustAsync(r.Name, change.To!, cancellationToken)
                        : _iam.PutInlinePolicyAsync(r.Name, ForgeResources.PolicyName, change.To!, cancellationToken)).ConfigureAwait(false);
                }

                break;
            case ForgeKind.InstanceProfile:
                // Left without its role by a run that broke off.
                await _iam.AddRoleToInstanceProfileAsync(r.Name, r.Properties["role"], cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.LaunchTemplate:
                await _ec2.CreateLaunchTemplateVersionAsync(r.Name, Description, TemplateData(r), cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.ComputeEnvironment:
                await _batch.UpdateEnvironmentAsync(BatchInputs.Update(r), cancellationToken).ConfigureAwait(false);
                break;
            default:
                await _batch.UpdateQueueAsync(BatchInputs.Queue(spec, r, "jobQueue"), cancellationToken).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Batch's resources must have been disabled before.</summary>
    public async Task DeleteAsync(ForgeResource r, CancellationToken cancellationToken)
    {
        switch (r.Kind)
        {
            case ForgeKind.Role:
                await _iam.DeleteInlinePolicyAsync(r.Name, ForgeResources.PolicyName, cancellationToken).ConfigureAwait(false);
                await _iam.DeleteRoleAsync(r.Name, cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.InstanceProfile:
                if (r.Properties["role"] is { Length: > 0 } role)
                {
                    await _iam.RemoveRoleFromInstanceProfileAsync(r.Name, role, cancellationToken).ConfigureAwait(false);
                }

                await _iam.DeleteInstanceProfileAsync(r.Name, cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.LaunchTemplate:
                await _ec2.DeleteLaunchTemplateAsync(r.Name, cancellationToken).ConfigureAwait(false);
                break;
            case ForgeKind.ComputeEnvironment:
                await _batch.DeleteEnvironmentAsync(r.Name, cancellationToken).ConfigureAwait(false);
                break;
            default:
                await _batch.DeleteQueueAsync(r.Name, cancellationToken).ConfigureAwait(false);
                break;
        }
    }

    public Task DisableAsync(ForgeResource r, CancellationToken cancellationToken) => r.Kind == ForgeKind.JobQueue
        ? _batch.UpdateQueueAsync(new JsonObject { ["jobQueue"] = r.Name, ["state"] = "DISABLED" }, cancellationToken)
        : _batch.UpdateEnvironmentAsync(new JsonObject { ["computeEnvironment"] = r.Name, ["state"] = "DISABLED" }, cancellationToken);

    private string Description => $"Environment {spec.Name}";

    private Ec2LaunchTemplateData TemplateData(ForgeResource r) => new(
        r.Properties["userData"], r.Properties["httpTokens"], Number(r, "hopLimit"), "/dev/xvda", Number(r, "rootVolumeGB"), spec.Tags);

    private static int Number(ForgeResource r, string property) => int.Parse(r.Properties[property], CultureInfo.InvariantCulture);

    private async Task<ActualResource?> ReadRoleAsync(string name, CancellationToken cancellationToken)
    {
        if (await _iam.GetRoleAsync(name, cancellationToken).ConfigureAwait(false) is not { } role)
        {
            return null;
        }

        var policy = await _iam.GetInlinePolicyAsync(name, ForgeResources.PolicyName, cancellationToken).ConfigureAwait(false);
        return new ActualResource(ForgeResources.Make(ForgeKind.Role, name, ("trust", Canonical(role.TrustPolicy)), ("policy", Canonical(policy))), role.Tags.GetValueOrDefault(ForgeSpec.OwnerTag));
    }

    private async Task<ActualResource?> ReadProfileAsync(string name, CancellationToken cancellationToken) =>
        await _iam.GetInstanceProfileAsync(name, cancellationToken).ConfigureAwait(false) is not { } profile ? null
            : new ActualResource(ForgeResources.Make(ForgeKind.InstanceProfile, name, ("role", profile.Roles is [var role, ..] ? role : "")), profile.Tags.GetValueOrDefault(ForgeSpec.OwnerTag));

    private async Task<ActualResource?> ReadTemplateAsync(string name, CancellationToken cancellationToken)
    {
        if (await _ec2.FindLaunchTemplateAsync(name, cancellationToken).ConfigureAwait(false) is not { } template)
        {
            return null;
        }

        var latest = await _ec2.GetLaunchTemplateVersionAsync(name, "$Latest", cancellationToken).ConfigureAwait(false);
        return new ActualResource(
            ForgeResources.Make(ForgeKind.LaunchTemplate, name, ("userData", latest?.UserData ?? ""), ("rootVolumeGB", $"{latest?.RootVolumeGB}"), ("httpTokens", latest?.HttpTokens ?? ""), ("hopLimit", $"{latest?.HopLimit}")),
            template.Tags.GetValueOrDefault(ForgeSpec.OwnerTag));
    }

    private async Task<ActualResource?> ReadEnvironmentAsync(string name, CancellationToken cancellationToken)
    {
        var e = (await _batch.DescribeEnvironmentsAsync([name], cancellationToken).ConfigureAwait(false)).FirstOrDefault(e => e.Name == name && e.Status != "DELETED");
        return e is null ? null : new ActualResource(
            ForgeResources.Make(ForgeKind.ComputeEnvironment, name,
                ("type", e.Kind), ("allocationStrategy", e.Strategy), ("instanceTypes", string.Join(' ', e.InstanceTypes)), ("maxvCpus", $"{e.MaxCpus}"), ("subnets", string.Join(' ', e.Subnets)),
                ("securityGroups", string.Join(' ', e.SecurityGroups)), ("instanceRole", LastPart(e.InstanceRole)), ("launchTemplate", TemplateName(e.LaunchTemplate)),
                ("image", string.Join(' ', e.Images.Take(1).SelectMany(i => new[] { i.Type, i.Override }).OfType<string>())), ("state", e.State)),
            e.Tags.GetValueOrDefault(ForgeSpec.OwnerTag), e.Status, e.StatusReason, e.State == "ENABLED");
    }

    private async Task<ActualResource?> ReadQueueAsync(string name, CancellationToken cancellationToken)
    {
        var q = (await _batch.DescribeQueuesAsync([name], cancellationToken).ConfigureAwait(false)).FirstOrDefault(q => q.Name == name && q.Status != "DELETED");
        return q is null ? null : new ActualResource(
            ForgeResources.Make(ForgeKind.JobQueue, name, ("priority", $"{q.Priority}"), ("environments", string.Join(' ', q.Environments.Select(LastPart))), ("state", q.State)),
            q.Tags.GetValueOrDefault(ForgeSpec.OwnerTag), q.Status, q.StatusReason, q.State == "ENABLED");
    }

    /// <summary>An environment names its template; one that was set up otherwise may give the id, which then counts as another.</summary>
    private static string TemplateName(string? text) => text ?? "";

    private static string LastPart(string? arn) => arn is null ? "" : arn[(arn.LastIndexOf('/') + 1)..];

    private static string Canonical(string? json)
    {
        try
        {
            return string.IsNullOrEmpty(json) ? "" : ForgeResources.Canonical(JsonNode.Parse(json));
        }
        catch (System.Text.Json.JsonException)
        {
            return json!;
        }
    }
}
