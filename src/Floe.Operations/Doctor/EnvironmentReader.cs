using Floe.Aws.Api;
using Floe.Operations.Instances;
using Floe.Operations.Planning;

namespace Floe.Operations.Doctor;

/// <summary>Gathers the facts for a diagnosis. What these credentials may not read becomes a finding and does not end the look.</summary>
public sealed class EnvironmentReader(AwsClient client, Action<string> note, PlanRequest request)
{
    private const int JobsLookedAt = 20;
    private readonly List<Finding> _blind = [];
    private InstanceTable _table = InstanceTable.Embedded();

    /// <param name="name">Of a queue or a compute environment, or its ARN.</param>
    /// <param name="bucket">Where the work directory or the store is; null when not named.</param>
    /// <exception cref="AwsException">There is neither, or AWS cannot be asked at all.</exception>
    public async Task<EnvironmentFacts> ReadAsync(string name, string? bucket, CancellationToken cancellationToken)
    {
        var batch = new BatchApi(client);
        var region = await client.RegionAsync(cancellationToken).ConfigureAwait(false);
        var queue = await batch.DescribeQueuesAsync([name], cancellationToken).ConfigureAwait(false) is [var found, ..] ? found : null;
        var environments = await batch.DescribeEnvironmentsAsync(queue?.Environments ?? [name], cancellationToken).ConfigureAwait(false);
        if (queue is null && environments.Count == 0)
        {
            throw new AwsException(AwsErrorKind.NotFound, $"AWS Batch in {region} has neither a job queue nor a compute environment '{Clean(name)}'; check the name and --region");
        }

        var named = environments.SelectMany(e => e.InstanceTypes).Distinct().SelectMany(Patterns).ToList();
        _table = named.Count == 0 ? _table : await LiveInstanceTable.ReadAsync(client, named, note, cancellationToken).ConfigureAwait(false);
        var facts = new List<ComputeFacts>();
        foreach (var environment in environments)
        {
            facts.Add(await ReadAsync(environment, cancellationToken).ConfigureAwait(false));
        }

        return new EnvironmentFacts
        {
            Subject = name,
            Region = region,
            Queue = queue,
            Environments = facts,
            Bucket = bucket,
            BucketRegion = bucket is null ? null : await TryAsync("bucket", () => new S3Api(client).BucketRegionAsync(bucket, cancellationToken)).ConfigureAwait(false),
            Jobs = queue is null ? null : await TryAsync("retry-rules", async () => (IReadOnlyList<BatchJob>?)await JobsAsync(batch, queue, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false),
            Blind = _blind,
            TypesFrom = _table.Origin,
        };
    }

    /// <summary>Names, families ("c6id") and Batch's own words, as types of the table; unknown ones apart.</summary>
    public static (IReadOnlyList<InstanceType> Types, IReadOnlyList<string> Unknown) Expand(InstanceTable table, IReadOnlyList<string> names)
    {
        var types = new List<InstanceType>();
        var unknown = new List<string>();
        foreach (var name in names)
        {
            var patterns = Patterns(name);
            var found = table.Types.Where(t => patterns.Any(p => PolicySet.Like(p, t.Name, ignoreCase: false)) && (name.Contains('.') || !t.BareMetal)).ToList();
            types.AddRange(found);
            if (found.Count == 0)
            {
                unknown.Add(name);
            }
        }

        return ([.. types.DistinctBy(t => t.Name)], unknown);
    }

    private static string[] Patterns(string name) => name switch
    {
        // AWS Batch User Guide, "instanceTypes": the sizes of the M4, C4 and R4 families, or their successors in newer regions.
        "optimal" => ["c4.*", "m4.*", "r4.*"],
        "default_x86_64" => ["m6i.*", "c6i.*", "r6i.*", "c7i.*"],
        "default_arm64" => ["m6g.*", "c6g.*", "r6g.*", "c7g.*"],
        _ => [name.Contains('.') ? name : name + ".*"],
    };

    private async Task<ComputeFacts> ReadAsync(BatchEnvironment environment, CancellationToken cancellationToken)
    {
        var ec2 = new Ec2Api(client);
        var template = environment.LaunchTemplate is not { } name ? null
            : await TryAsync("launch-template", () => ec2.GetLaunchTemplateVersionAsync(name, environment.LaunchTemplateVersion is { Length: > 0 } version ? version : "$Default", cancellationToken)).ConfigureAwait(false);
        List<string> images = [.. environment.Images.Select(i => i.Override).Append(environment.ImageId).Append(template?.ImageId).OfType<string>().Where(i => i.StartsWith("ami-", StringComparison.Ordinal)).Distinct()];
        var (types, unknown) = Expand(_table, environment.InstanceTypes);
        var (role, permissions) = environment.InstanceRole is { } profile ? await PermissionsAsync(profile, cancellationToken).ConfigureAwait(false) : (null, null);
        return new ComputeFacts
        {
            Environment = environment,
            Template = template,
            Images = images.Count == 0 ? [] : await TryAsync("image", async () => (IReadOnlyList<Ec2Image>?)await ec2.DescribeImagesAsync(images, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false) ?? [],
            Role = role,
            Permissions = permissions,
            Types = [.. types.Select(t => Planner.Judge(t, request))],
            UnknownTypes = unknown,
        };
    }

    private async Task<(string? Role, PolicySet? Permissions)> PermissionsAsync(string profileOrArn, CancellationToken cancellationToken)
    {
        var iam = new IamApi(client);
        var name = profileOrArn[(profileOrArn.LastIndexOf('/') + 1)..];
        var profile = await TryAsync("role", () => iam.GetInstanceProfileAsync(name, cancellationToken)).ConfigureAwait(false);
        if (profile?.Roles is not [var role, ..])
        {
            return (null, null);
        }

        return (role, await TryAsync("role", async () =>
        {
            var documents = new List<string>();
            foreach (var policy in await iam.ListInlinePoliciesAsync(role, cancellationToken).ConfigureAwait(false))
            {
                documents.Add(await iam.GetInlinePolicyAsync(role, policy, cancellationToken).ConfigureAwait(false) ?? "");
            }

            foreach (var arn in await iam.ListAttachedPoliciesAsync(role, cancellationToken).ConfigureAwait(false))
            {
                documents.Add(await iam.GetManagedPolicyAsync(arn, cancellationToken).ConfigureAwait(false) ?? "");
            }

            return new PolicySet(documents);
        }).ConfigureAwait(false));
    }

    private static async Task<IReadOnlyList<BatchJob>> JobsAsync(BatchApi batch, BatchQueue queue, CancellationToken cancellationToken)
    {
        var ids = new List<string>();
        foreach (var status in (string[])["RUNNING", "RUNNABLE", "SUCCEEDED", "FAILED"])
        {
            if (ids.Count < JobsLookedAt)
            {
                ids.AddRange((await batch.ListJobsAsync(queue.Name, status, cancellationToken).ConfigureAwait(false)).Take(JobsLookedAt - ids.Count));
            }
        }

        return ids.Count == 0 ? [] : await batch.DescribeJobsAsync(ids, cancellationToken).ConfigureAwait(false);
    }

    private async Task<T?> TryAsync<T>(string check, Func<Task<T?>> read)
        where T : class
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (AwsException e) when (e.Kind is not (AwsErrorKind.Credentials or AwsErrorKind.Region))
        {
            _blind.Add(new Finding(FindingStatus.Warn, check, $"could not be looked at: {e.Message}", "run the doctor with credentials that may read it"));
            return null;
        }
    }

    private static string Clean(string name) => new([.. name.Take(100).Select(c => char.IsControl(c) ? '?' : c)]);
}
