using System.Text.Json;
using System.Text.Json.Nodes;

namespace Floe.Aws.Api;

public sealed record BatchQueue(
    string Name, string Arn, string State, string Status, string StatusReason, int Priority, IReadOnlyList<string> Environments, IReadOnlyDictionary<string, string> Tags);

/// <param name="Type">MANAGED or UNMANAGED.</param>
/// <param name="Kind">EC2, SPOT, FARGATE or FARGATE_SPOT; empty for an unmanaged one.</param>
/// <param name="IsEks">On Kubernetes.</param>
/// <param name="Image">Image type (ECS_AL2023) and the image that overrides it, if any.</param>
public sealed record BatchEnvironment(
    string Name, string Arn, string Type, string State, string Status, string StatusReason, bool IsEks, string Kind, string Strategy,
    IReadOnlyList<string> InstanceTypes, int MinCpus, int MaxCpus, IReadOnlyList<string> Subnets, IReadOnlyList<string> SecurityGroups, string? InstanceRole,
    IReadOnlyList<BatchImage> Images, string? ImageId, string? LaunchTemplate, string? LaunchTemplateVersion, string? ServiceRole, IReadOnlyDictionary<string, string> Tags);

public sealed record BatchImage(string Type, string? Override);

/// <param name="RetriesOnHost">A rule retries what its host's end took along ("Host EC2*").</param>
public sealed record BatchJob(string Id, string Name, string Status, int Attempts, bool HasRules, bool RetriesOnHost, bool? Privileged, IReadOnlyList<string> MountedAt, string? JobRole);

/// <summary>AWS Batch. REST-JSON API.</summary>
public sealed class BatchApi(AwsClient client)
{
    /// <param name="names">Null for all; names or ARNs. Those that do not exist are missing in the answer.</param>
    public async Task<IReadOnlyList<BatchQueue>> DescribeQueuesAsync(IReadOnlyList<string>? names, CancellationToken cancellationToken) =>
        [.. (await PagesAsync("DescribeJobQueues", "/v1/describejobqueues", "jobQueues", names, cancellationToken).ConfigureAwait(false)).Select(q => new BatchQueue(
            q.Text("jobQueueName") ?? "", q.Text("jobQueueArn") ?? "", q.Text("state") ?? "", q.Text("status") ?? "", q.Text("statusReason") ?? "", (int)(q.Number("priority") ?? 0),
            [.. q.Items("computeEnvironmentOrder").OrderBy(o => o.Number("order") ?? 0).Select(o => o.Text("computeEnvironment")).OfType<string>()], q.Map("tags")))];

    /// <param name="names">Null for all; names or ARNs. Those that do not exist are missing in the answer.</param>
    public async Task<IReadOnlyList<BatchEnvironment>> DescribeEnvironmentsAsync(IReadOnlyList<string>? names, CancellationToken cancellationToken) =>
        [.. (await PagesAsync("DescribeComputeEnvironments", "/v1/describecomputeenvironments", "computeEnvironments", names, cancellationToken).ConfigureAwait(false)).Select(Read)];

    /// <summary>Up to 100 jobs of a queue in a status, newest first.</summary>
    public async Task<IReadOnlyList<string>> ListJobsAsync(string queue, string status, CancellationToken cancellationToken)
    {
        var answer = await client.RestAsync(AwsService.Batch, "ListJobs", "/v1/listjobs", new JsonObject { ["jobQueue"] = queue, ["jobStatus"] = status }, cancellationToken).ConfigureAwait(false);
        return [.. answer.Items("jobSummaryList").OrderByDescending(j => j.Number("createdAt") ?? 0).Select(j => j.Text("jobId")).OfType<string>()];
    }

    /// <summary>At most 100 ids; those that Batch has forgotten are missing in the answer.</summary>
    public async Task<IReadOnlyList<BatchJob>> DescribeJobsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        var answer = await client.RestAsync(AwsService.Batch, "DescribeJobs", "/v1/describejobs", new JsonObject { ["jobs"] = Array(ids) }, cancellationToken).ConfigureAwait(false);
        return [.. answer.Items("jobs").Select(j =>
        {
            var retry = j.Member("retryStrategy");
            var rules = retry?.Items("evaluateOnExit").ToList() ?? [];
            var container = j.Member("container");
            return new BatchJob(
                j.Text("jobId") ?? "", j.Text("jobName") ?? "", j.Text("status") ?? "", (int)(retry?.Number("attempts") ?? 1), rules.Count > 0,
                rules.Any(r => string.Equals(r.Text("action"), "RETRY", StringComparison.OrdinalIgnoreCase) && r.Text("onStatusReason")?.StartsWith("Host EC2", StringComparison.Ordinal) == true),
                container?.Truth("privileged"), [.. container?.Items("mountPoints").Select(m => m.Text("containerPath")).OfType<string>() ?? []], container?.Text("jobRoleArn"));
        })];
    }

    public Task<JsonElement> CreateEnvironmentAsync(JsonObject input, CancellationToken cancellationToken) =>
        client.RestAsync(AwsService.Batch, "CreateComputeEnvironment", "/v1/createcomputeenvironment", input, cancellationToken);

    public Task<JsonElement> UpdateEnvironmentAsync(JsonObject input, CancellationToken cancellationToken) =>
        client.RestAsync(AwsService.Batch, "UpdateComputeEnvironment", "/v1/updatecomputeenvironment", input, cancellationToken);

    public Task<JsonElement> DeleteEnvironmentAsync(string name, CancellationToken cancellationToken) =>
        client.RestAsync(AwsService.Batch, "DeleteComputeEnvironment", "/v1/deletecomputeenvironment", new JsonObject { ["computeEnvironment"] = name }, cancellationToken);

    public Task<JsonElement> CreateQueueAsync(JsonObject input, CancellationToken cancellationToken) =>
        client.RestAsync(AwsService.Batch, "CreateJobQueue", "/v1/createjobqueue", input, cancellationToken);

    public Task<JsonElement> UpdateQueueAsync(JsonObject input, CancellationToken cancellationToken) =>
        client.RestAsync(AwsService.Batch, "UpdateJobQueue", "/v1/updatejobqueue", input, cancellationToken);

    public Task<JsonElement> DeleteQueueAsync(string name, CancellationToken cancellationToken) =>
        client.RestAsync(AwsService.Batch, "DeleteJobQueue", "/v1/deletejobqueue", new JsonObject { ["jobQueue"] = name }, cancellationToken);

    internal static JsonArray Array(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode?)JsonValue.Create(t))]);

    private async Task<IReadOnlyList<JsonElement>> PagesAsync(string action, string path, string list, IReadOnlyList<string>? names, CancellationToken cancellationToken)
    {
        var pages = await AwsPages.ReadAsync(
            token =>
            {
                var input = new JsonObject();
                if (names is not null)
                {
                    input[list] = Array(names);
                }

                if (token is not null)
                {
                    input["nextToken"] = token;
                }

                return client.RestAsync(AwsService.Batch, action, path, input, cancellationToken);
            },
            page => page.Text("nextToken")).ConfigureAwait(false);
        return [.. pages.SelectMany(p => p.Items(list))];
    }

    private static BatchEnvironment Read(JsonElement e)
    {
        var r = e.Member("computeResources");
        var template = r?.Member("launchTemplate");
        return new BatchEnvironment(
            e.Text("computeEnvironmentName") ?? "", e.Text("computeEnvironmentArn") ?? "", e.Text("type") ?? "", e.Text("state") ?? "", e.Text("status") ?? "", e.Text("statusReason") ?? "",
            e.Member("eksConfiguration") is not null, r?.Text("type") ?? "", r?.Text("allocationStrategy") ?? "", r?.Texts("instanceTypes") ?? [],
            (int)(r?.Number("minvCpus") ?? 0), (int)(r?.Number("maxvCpus") ?? 0), r?.Texts("subnets") ?? [], r?.Texts("securityGroupIds") ?? [], r?.Text("instanceRole"),
            [.. r?.Items("ec2Configuration").Select(c => new BatchImage(c.Text("imageType") ?? "", c.Text("imageIdOverride"))) ?? []], r?.Text("imageId"),
            template?.Text("launchTemplateId") ?? template?.Text("launchTemplateName"), template?.Text("version"), e.Text("serviceRole"), e.Map("tags"));
    }
}
