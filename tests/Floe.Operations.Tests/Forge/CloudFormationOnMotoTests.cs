using Floe.Aws.Api;
using Floe.Operations.Forge;
using Floe.Operations.Tests.Aws;
using Floe.Operations.Tests.Cli;
using Xunit;

namespace Floe.Operations.Tests.Forge;

/// <summary>The template as a stack: moto builds it, the doctor looks at it, and floe forge keeps its hands off it.</summary>
[Collection(nameof(Moto))]
public sealed class CloudFormationOnMotoTests(MotoFixture moto)
{
    private static readonly AwsService s_cloudFormation = new("CloudFormation", "cloudformation", "cloudformation");

    [Fact]
    public async Task Template_AsAStack_IsSoundAndNotForges()
    {
        string[] line = ["forge", "create", "--name", "stack", "--bucket", MotoFixture.OwnBucket, "--type", "c6id.8xlarge", "--service-role", MotoFixture.ServiceRole];
        var emitted = await FloeProgram.RunAsync([.. line, "--emit", "cloudformation"], moto.Variables);
        Assert.Equal((0, ""), (emitted.Status, emitted.Error));

        using var client = moto.Client();
        await client.QueryAsync(s_cloudFormation, "2010-05-15", "CreateStack", [("StackName", "floe"), ("TemplateBody", emitted.Out), ("Capabilities.member.1", "CAPABILITY_NAMED_IAM")], default);
        var resources = (await client.QueryAsync(s_cloudFormation, "2010-05-15", "DescribeStackResources", [("StackName", "floe")], default)).Descendants().Where(e => e.Name.LocalName == "ResourceStatus").Select(e => e.Value).ToList();
        Assert.Equal(9, resources.Count);
        Assert.All(resources, status => Assert.Equal("CREATE_COMPLETE", status));

        var doctor = await FloeProgram.RunAsync(["doctor", "stack-work", "--bucket", MotoFixture.OwnBucket, "--json"], moto.Variables);
        // moto keeps a stack's inline policies in a form that is no JSON: the doctor says that it could not read them, and fails nothing.
        Assert.Equal((0, "role,role-ecs,role-mount,role-store,role-tags,retry-rules"), (doctor.Status, string.Join(',', doctor.Json.GetProperty("findings").EnumerateArray()
            .Where(f => f.GetProperty("status").GetString() != "Pass").Select(f => f.GetProperty("check").GetString()).OrderBy(c => c == "retry-rules").ThenBy(c => c, StringComparer.Ordinal))));

        var refused = await FloeProgram.RunAsync(line, moto.Variables);
        Assert.Equal(1, refused.Status);
        Assert.Contains("nothing was changed", refused.Error, StringComparison.Ordinal);
        Assert.Equal(1, (await FloeProgram.RunAsync(["forge", "delete", "--name", "stack"], moto.Variables)).Status);
        Assert.NotEmpty(await new BatchApi(client).DescribeQueuesAsync(["stack-work"], default));
        await client.QueryAsync(s_cloudFormation, "2010-05-15", "DeleteStack", [("StackName", "floe")], default);
    }

    [Fact]
    public async Task Template_Spec_HasWhatForgeMakes()
    {
        using var client = moto.Client();
        var spec = await moto.SpecAsync(client, "same");
        var template = System.Text.Json.JsonDocument.Parse(CloudFormationTemplate.Write(spec)).RootElement.GetProperty("Resources");
        var names = template.EnumerateObject().SelectMany(r => r.Value.GetProperty("Properties").EnumerateObject()).Where(p => p.Name.EndsWith("Name", StringComparison.Ordinal) && p.Value.ValueKind == System.Text.Json.JsonValueKind.String).Select(p => p.Value.GetString()!);
        Assert.Equal(ForgeResources.Of(spec).Select(r => r.Name).Order(), names.Order());
    }
}
