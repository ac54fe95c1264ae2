using System.Text.Json.Nodes;

namespace Floe.Operations.Forge;

/// <summary>What the roles of an environment may do, and who may take them: no more than their work asks for.</summary>
internal static class ForgePolicies
{
    private static readonly string[] s_objects = [.. StoreRights.All.Where(r => !r.IsOfBucket).Select(r => r.Action)];

    // Floe itself does not ask for a bucket's place; other tools of a pipeline do.
    private static readonly string[] s_buckets = [.. StoreRights.All.Where(r => r.IsOfBucket).Select(r => r.Action), "s3:GetBucketLocation"];

    /// <summary>Who may take a role: a service.</summary>
    public static JsonObject Trust(string service) => Document(new JsonObject
    {
        ["Effect"] = "Allow",
        ["Principal"] = new JsonObject { ["Service"] = service },
        ["Action"] = "sts:AssumeRole",
    });

    /// <summary>
    /// Machines: join the ECS cluster, pull images, write logs, use the buckets. Containers of tasks are privileged, so a role of their own
    /// would fence nothing off from this one.
    /// </summary>
    public static JsonObject Instance(ForgeSpec spec) => Document(
    [
        Allow("Ecs",
        [
            "ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance", "ecs:StartTelemetrySession", "ecs:SubmitAttachmentStateChanges",
            "ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange", "ecs:UpdateContainerInstancesState",
        ], "*"),
        .. Images(), Logs(spec), .. Store(spec),
    ]);

    /// <summary>The pipeline's head job: submits to the work queue and follows its jobs.</summary>
    public static JsonObject Head(ForgeSpec spec) => Document(
    [
        Allow("Submit", ["batch:SubmitJob", "batch:TagResource"], $"arn:{spec.Partition}:batch:{spec.Region}:*:job-queue/{spec.WorkQueue}", $"arn:{spec.Partition}:batch:{spec.Region}:*:job-definition/*", $"arn:{spec.Partition}:batch:{spec.Region}:*:job/*"),
        Allow("Definitions", ["batch:RegisterJobDefinition"], $"arn:{spec.Partition}:batch:{spec.Region}:*:job-definition/*"),
        Allow("Follow", ["batch:DescribeJobs", "batch:DescribeJobDefinitions", "batch:DescribeJobQueues", "batch:DescribeComputeEnvironments", "batch:ListJobs", "ecs:DescribeTasks", "ecs:DescribeContainerInstances", "ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeInstanceAttribute", "ec2:DescribeInstanceStatus", "ec2:DescribeSpotPriceHistory"], "*"),
        Allow("End", ["batch:CancelJob", "batch:TerminateJob"], $"arn:{spec.Partition}:batch:{spec.Region}:*:job/*"),
        Allow("PassRole", ["iam:PassRole"], $"arn:{spec.Partition}:iam::*:role/{spec.ExecutionRole}"),
        Allow("ReadLogs", ["logs:GetLogEvents", "logs:DescribeLogStreams"], $"arn:{spec.Partition}:logs:{spec.Region}:*:log-group:/aws/batch/*"),
        .. Store(spec),
    ]);

    /// <summary>ECS itself, when it starts a container: pull and log.</summary>
    public static JsonObject Execution(ForgeSpec spec) => Document([.. Images(), Logs(spec)]);

    private static IEnumerable<JsonObject> Images() =>
    [
        Allow("RegistryToken", ["ecr:GetAuthorizationToken"], "*"),
        Allow("Images", ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"], "*"),
    ];

    private static JsonObject Logs(ForgeSpec spec) =>
        Allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], $"arn:{spec.Partition}:logs:{spec.Region}:*:log-group:/aws/batch/*", $"arn:{spec.Partition}:logs:{spec.Region}:*:log-group:/aws/batch/*:log-stream:*");

    private static IEnumerable<JsonObject> Store(ForgeSpec spec) =>
    [
        Allow("Buckets", s_buckets, [.. spec.Buckets.Select(b => $"arn:{spec.Partition}:s3:::{b}")]),
        Allow("Objects", s_objects, [.. spec.Buckets.Select(b => $"arn:{spec.Partition}:s3:::{b}/*")]),
    ];

    private static JsonObject Allow(string id, string[] actions, params string[] resources) => new()
    {
        ["Sid"] = id,
        ["Effect"] = "Allow",
        ["Action"] = Floe.Aws.Api.BatchApi.Array(actions),
        ["Resource"] = Floe.Aws.Api.BatchApi.Array(resources),
    };

    private static JsonObject Document(params IEnumerable<JsonObject> statements) => new()
    {
        ["Version"] = "2012-10-17",
        ["Statement"] = new JsonArray([.. statements]),
    };
}
