using System.Globalization;
using System.Text.Json.Nodes;
using Floe.Aws.Api;

namespace Floe.Operations.Forge;

/// <summary>Requests to AWS Batch, made from the properties that the plan showed.</summary>
internal static class BatchInputs
{
    public static JsonObject Create(ForgeSpec spec, ForgeResource r)
    {
        var resources = Resources(r);
        resources["type"] = r.Properties["type"];
        resources["minvCpus"] = 0;
        resources["tags"] = Tags(spec);
        var input = new JsonObject
        {
            ["computeEnvironmentName"] = r.Name,
            ["type"] = "MANAGED",
            ["state"] = r.Properties["state"],
            ["computeResources"] = resources,
            ["tags"] = Tags(spec),
        };
        if (spec.ServiceRole is not null)
        {
            input["serviceRole"] = spec.ServiceRole;
        }

        return input;
    }

    /// <summary>Machines of the old kind are replaced as their jobs end; type and name of an environment never change.</summary>
    public static JsonObject Update(ForgeResource r) => new()
    {
        ["computeEnvironment"] = r.Name,
        ["state"] = r.Properties["state"],
        ["computeResources"] = Resources(r),
    };

    /// <param name="nameMember">jobQueueName when it is made, jobQueue when it is changed.</param>
    public static JsonObject Queue(ForgeSpec spec, ForgeResource r, string nameMember)
    {
        var input = new JsonObject
        {
            [nameMember] = r.Name,
            ["state"] = r.Properties["state"],
            ["priority"] = int.Parse(r.Properties["priority"], CultureInfo.InvariantCulture),
            ["computeEnvironmentOrder"] = new JsonArray(new JsonObject { ["order"] = 1, ["computeEnvironment"] = r.Properties["environments"] }),
        };
        if (nameMember == "jobQueueName")
        {
            input["tags"] = Tags(spec);
        }

        return input;
    }

    private static JsonObject Resources(ForgeResource r)
    {
        var image = r.Properties["image"].Split(' ');
        var configuration = new JsonObject { ["imageType"] = image[0] };
        if (image.Length > 1)
        {
            configuration["imageIdOverride"] = image[1];
        }

        return new JsonObject
        {
            ["allocationStrategy"] = r.Properties["allocationStrategy"],
            ["maxvCpus"] = int.Parse(r.Properties["maxvCpus"], CultureInfo.InvariantCulture),
            ["instanceTypes"] = BatchApi.Array(r.Properties["instanceTypes"].Split(' ')),
            ["subnets"] = BatchApi.Array(r.Properties["subnets"].Split(' ')),
            ["securityGroupIds"] = BatchApi.Array(r.Properties["securityGroups"].Split(' ')),
            ["instanceRole"] = r.Properties["instanceRole"],
            ["launchTemplate"] = new JsonObject { ["launchTemplateName"] = r.Properties["launchTemplate"], ["version"] = "$Latest" },
            ["ec2Configuration"] = new JsonArray(configuration),
        };
    }

    private static JsonObject Tags(ForgeSpec spec) => new(spec.Tags.Select(t => KeyValuePair.Create(t.Key, (JsonNode?)JsonValue.Create(t.Value))));
}
