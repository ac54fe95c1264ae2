using System.Text.Json;
using System.Text.Json.Nodes;
using Floe.Aws.Api;

namespace Floe.Operations.Forge;

/// <summary>The same environment as a CloudFormation template (JSON). The stack owns what it makes: `floe forge` will not touch it.</summary>
public static class CloudFormationTemplate
{
    public static string Write(ForgeSpec spec)
    {
        var resources = new JsonObject
        {
            ["InstanceRole"] = Role(spec, spec.InstanceRole, "ec2.amazonaws.com", ForgePolicies.Instance(spec)),
            ["HeadRole"] = Role(spec, spec.HeadRole, "ecs-tasks.amazonaws.com", ForgePolicies.Head(spec)),
            ["ExecutionRole"] = Role(spec, spec.ExecutionRole, "ecs-tasks.amazonaws.com", ForgePolicies.Execution(spec)),
            ["InstanceProfile"] = Resource("AWS::IAM::InstanceProfile", new JsonObject { ["InstanceProfileName"] = spec.InstanceRole, ["Roles"] = new JsonArray(Ref("InstanceRole")) }),
            ["Machines"] = LaunchTemplate(spec),
            ["WorkEnvironment"] = Environment(spec, spec.WorkEnvironment, "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED", spec.WorkTypes, spec.WorkCpus),
            ["HeadEnvironment"] = Environment(spec, spec.HeadEnvironment, "EC2", "BEST_FIT_PROGRESSIVE", spec.HeadTypes, spec.HeadCpus),
            ["WorkQueue"] = Queue(spec, spec.WorkQueue, "WorkEnvironment", 1),
            ["HeadQueue"] = Queue(spec, spec.HeadQueue, "HeadEnvironment", 10),
        };
        var template = new JsonObject
        {
            ["AWSTemplateFormatVersion"] = "2010-09-09",
            ["Description"] = $"AWS Batch for snapshots with Floe: environment {spec.Name}. Needs CAPABILITY_NAMED_IAM.",
            ["Resources"] = resources,
            ["Outputs"] = new JsonObject
            {
                ["WorkQueue"] = new JsonObject { ["Description"] = "process.queue of the pipeline", ["Value"] = Ref("WorkQueue") },
                ["HeadQueue"] = new JsonObject { ["Description"] = "Where the pipeline itself runs", ["Value"] = Ref("HeadQueue") },
                ["HeadRole"] = new JsonObject { ["Description"] = "jobRoleArn of the pipeline's job", ["Value"] = Arn("HeadRole") },
                ["ExecutionRole"] = new JsonObject { ["Description"] = "aws.batch.executionRole", ["Value"] = Arn("ExecutionRole") },
            },
        };
        return template.ToJsonString(new JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, TypeInfoResolver = ForgeJson.Default }) + "\n";
    }

    private static JsonObject Role(ForgeSpec spec, string name, string service, JsonObject policy) => Resource("AWS::IAM::Role", new JsonObject
    {
        ["RoleName"] = name,
        ["AssumeRolePolicyDocument"] = ForgePolicies.Trust(service),
        ["Policies"] = new JsonArray(new JsonObject { ["PolicyName"] = ForgeResources.PolicyName, ["PolicyDocument"] = policy }),
        ["Tags"] = TagList(spec),
    });

    private static JsonObject LaunchTemplate(ForgeSpec spec) => Resource("AWS::EC2::LaunchTemplate", new JsonObject
    {
        ["LaunchTemplateName"] = spec.LaunchTemplate,
        ["LaunchTemplateData"] = new JsonObject
        {
            ["UserData"] = UserData.Base64,
            ["MetadataOptions"] = new JsonObject { ["HttpTokens"] = "required", ["HttpPutResponseHopLimit"] = 2 },
            ["BlockDeviceMappings"] = new JsonArray(new JsonObject
            {
                ["DeviceName"] = "/dev/xvda",
                ["Ebs"] = new JsonObject { ["VolumeSize"] = spec.RootVolumeGB, ["VolumeType"] = "gp3", ["Encrypted"] = true, ["DeleteOnTermination"] = true },
            }),
            ["TagSpecifications"] = new JsonArray(new JsonObject { ["ResourceType"] = "instance", ["Tags"] = TagList(spec) }),
        },
        ["TagSpecifications"] = new JsonArray(new JsonObject { ["ResourceType"] = "launch-template", ["Tags"] = TagList(spec) }),
    });

    private static JsonObject Environment(ForgeSpec spec, string name, string kind, string strategy, IReadOnlyList<string> types, int cpus)
    {
        var image = new JsonObject { ["ImageType"] = "ECS_AL2023" };
        if (spec.ImageId is not null)
        {
            image["ImageIdOverride"] = spec.ImageId;
        }

        var properties = new JsonObject
        {
            ["ComputeEnvironmentName"] = name,
            ["Type"] = "MANAGED",
            ["State"] = "ENABLED",
            ["ReplaceComputeEnvironment"] = false,
            ["ComputeResources"] = new JsonObject
            {
                ["Type"] = kind,
                ["AllocationStrategy"] = strategy,
                ["MinvCpus"] = 0,
                ["MaxvCpus"] = cpus,
                ["InstanceTypes"] = BatchApi.Array(types),
                ["Subnets"] = BatchApi.Array(spec.Subnets),
                ["SecurityGroupIds"] = BatchApi.Array(spec.SecurityGroups),
                ["InstanceRole"] = Arn("InstanceProfile"),
                ["LaunchTemplate"] = new JsonObject { ["LaunchTemplateId"] = Ref("Machines"), ["Version"] = new JsonObject { ["Fn::GetAtt"] = BatchApi.Array(["Machines", "LatestVersionNumber"]) } },
                ["Ec2Configuration"] = new JsonArray(image),
                ["UpdateToLatestImageVersion"] = spec.ImageId is null,
            },
            ["Tags"] = TagMap(spec),
        };
        if (spec.ServiceRole is not null)
        {
            properties["ServiceRole"] = spec.ServiceRole;
        }

        return Resource("AWS::Batch::ComputeEnvironment", properties);
    }

    private static JsonObject Queue(ForgeSpec spec, string name, string environment, int priority) => Resource("AWS::Batch::JobQueue", new JsonObject
    {
        ["JobQueueName"] = name,
        ["State"] = "ENABLED",
        ["Priority"] = priority,
        ["ComputeEnvironmentOrder"] = new JsonArray(new JsonObject { ["Order"] = 1, ["ComputeEnvironment"] = Ref(environment) }),
        ["Tags"] = TagMap(spec),
    });

    private static JsonObject Resource(string type, JsonObject properties) => new() { ["Type"] = type, ["Properties"] = properties };

    private static JsonObject Ref(string name) => new() { ["Ref"] = name };

    private static JsonObject Arn(string name) => new() { ["Fn::GetAtt"] = BatchApi.Array([name, "Arn"]) };

    /// <summary>Another owner than floe forge: that one must never take a stack's resources for its own.</summary>
    private static Dictionary<string, string> Tags(ForgeSpec spec) => new() { ["floe:stack"] = spec.Name, ["floe:made-by"] = "cloudformation" };

    private static JsonObject TagMap(ForgeSpec spec) => new(Tags(spec).Select(t => KeyValuePair.Create(t.Key, (JsonNode?)JsonValue.Create(t.Value))));

    private static JsonArray TagList(ForgeSpec spec) => new([.. Tags(spec).Select(t => (JsonNode)new JsonObject { ["Key"] = t.Key, ["Value"] = t.Value })]);
}
