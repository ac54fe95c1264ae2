using System.Text.Json;
using Floe.Aws.Api;
using Floe.Operations.Tests.Aws;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>The life of environments on moto, by the program itself.</summary>
[Collection(nameof(Moto))]
public sealed class ForgeOnMotoTests(MotoFixture moto)
{
    [Fact]
    public async Task Create_ThenDoctorThenDelete_LeavesNothing()
    {
        var planned = await CreateAsync("life", "--dry-run");
        Assert.Equal(0, planned.Status);
        Assert.Contains("9 to create", planned.Out, StringComparison.Ordinal);
        Assert.Contains("SPOT_PRICE_CAPACITY_OPTIMIZED", planned.Out, StringComparison.Ordinal);
        Assert.Equal(1, (await RunAsync("forge", "show", "--name", "life")).Status);

        var made = await CreateAsync("life");
        Assert.Equal((0, ""), (made.Status, made.Error));
        Assert.Contains("work queue life-work", made.Out, StringComparison.Ordinal);

        var again = await CreateAsync("life");
        Assert.Contains("0 to create, 0 to update, 0 to delete, 9 as they should be", again.Out, StringComparison.Ordinal);

        var doctor = await RunAsync("doctor", "life-work", "--bucket", MotoFixture.OwnBucket, "--json");
        Assert.Equal(0, doctor.Status);
        Assert.Equal(["retry-rules"], doctor.Json.GetProperty("findings").EnumerateArray().Where(f => f.GetProperty("status").GetString() != "Pass").Select(f => f.GetProperty("check").GetString()));

        var shown = await RunAsync("forge", "show", "--name", "life", "--json");
        Assert.Equal(9, shown.Json.GetArrayLength());

        var removed = await RunAsync("forge", "delete", "--name", "life");
        Assert.Equal((0, ""), (removed.Status, removed.Error));
        Assert.Equal(1, (await RunAsync("forge", "show", "--name", "life")).Status);
        Assert.Contains("0 to delete", (await RunAsync("forge", "delete", "--name", "life")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_SomethingChanged_UpdatesThatAlone()
    {
        await CreateAsync("change");
        var changed = await RunAsync("forge", "create", "--name", "change", "--bucket", MotoFixture.OwnBucket, "--bucket", "another-bucket", "--type", "c6id.8xlarge", "--service-role", MotoFixture.ServiceRole, "--root-volume", "200", "--json");
        Assert.Equal((0, 2), (changed.Status, changed.Json.GetProperty("steps").EnumerateArray().Count(s => s.GetProperty("action").GetString() == "Update" && s.GetProperty("resource").GetProperty("kind").GetString() == "Role")));
        using var client = moto.Client();
        var template = await new Ec2Api(client).GetLaunchTemplateVersionAsync("change-machines", "$Latest", default);
        Assert.Equal((2, 200), (template!.Version, template.RootVolumeGB));
        Assert.Contains("another-bucket", await new IamApi(client).GetInlinePolicyAsync("change-eu-central-1-instance", "floe", default), StringComparison.Ordinal);
        await RunAsync("forge", "delete", "--name", "change");
    }

    [Fact]
    public async Task Create_NameBelongsToSomebodyElse_ChangesNothing()
    {
        using var client = moto.Client();
        var iam = new IamApi(client);
        await iam.CreateRoleAsync("taken-eu-central-1-head", "{}", "theirs", new Dictionary<string, string> { ["team"] = "other" }, default);
        var refused = await CreateAsync("taken");
        Assert.Equal(1, refused.Status);
        Assert.Contains("nothing was changed", refused.Error, StringComparison.Ordinal);
        Assert.Contains("! role taken-eu-central-1-head", refused.Out, StringComparison.Ordinal);
        Assert.Null(await iam.GetRoleAsync("taken-eu-central-1-instance", default));

        var kept = await RunAsync("forge", "delete", "--name", "taken");
        Assert.Equal(1, kept.Status);
        Assert.NotNull(await iam.GetRoleAsync("taken-eu-central-1-head", default));
    }

    [Fact]
    public async Task Create_BrokenOff_IsGoneOnWithByTheSameLine()
    {
        // Without a role for AWS Batch moto refuses the compute environment, after roles and template were made.
        var broken = await RunAsync("forge", "create", "--name", "resume", "--bucket", MotoFixture.OwnBucket, "--type", "c6id.8xlarge");
        Assert.Equal(1, broken.Status);
        Assert.Contains("run the same line again", broken.Error, StringComparison.Ordinal);

        var resumed = await CreateAsync("resume");
        Assert.Equal(0, resumed.Status);
        Assert.Contains("4 to create, 0 to update, 0 to delete, 5 as they should be", resumed.Out, StringComparison.Ordinal);
        await RunAsync("forge", "delete", "--name", "resume");
    }

    [Fact]
    public async Task Doctor_WrongEnvironment_FindsEachThing()
    {
        using var client = moto.Client();
        var (batch, iam, ec2) = (new BatchApi(client), new IamApi(client), new Ec2Api(client));
        await iam.CreateRoleAsync("sick", "{}", "", new Dictionary<string, string>(), default);
        await iam.CreateInstanceProfileAsync("sick", new Dictionary<string, string>(), default);
        await iam.AddRoleToInstanceProfileAsync("sick", "sick", default);
        var subnet = (await ec2.DefaultSubnetsAsync(default))[0];
        await batch.CreateEnvironmentAsync(JsonSerializer.Deserialize<System.Text.Json.Nodes.JsonObject>($$"""
            {"computeEnvironmentName":"sick","type":"MANAGED","state":"ENABLED","serviceRole":"{{MotoFixture.ServiceRole}}","computeResources":{
              "type":"SPOT","allocationStrategy":"BEST_FIT","minvCpus":0,"maxvCpus":16,"instanceTypes":["x1e.32xlarge","m5"],"subnets":["{{subnet.Id}}"],
              "securityGroupIds":["{{await ec2.DefaultSecurityGroupAsync(subnet.VpcId, default)}}"],"instanceRole":"sick","ec2Configuration":[{"imageType":"ECS_AL2"}] } }
            """)!, default);

        var doctor = await RunAsync("doctor", "sick", "--bucket", "s3://floe-tests/work", "--json");
        var found = doctor.Json.GetProperty("findings").EnumerateArray().Where(f => f.GetProperty("status").GetString() != "Pass").Select(f => f.GetProperty("check").GetString()!).Distinct().Order();
        Assert.Equal(1, doctor.Status);
        Assert.Equal(["allocation", "bucket", "fast-storage", "image", "instance-types", "launch-template", "role-ecs", "role-mount", "role-store", "role-tags"], found);
        Assert.All(doctor.Json.GetProperty("findings").EnumerateArray().Where(f => f.GetProperty("status").GetString() != "Pass"), f => Assert.NotEqual("", f.GetProperty("fix").GetString()));
    }

    [Fact]
    public async Task Doctor_NoSuchQueue_IsOneClearLine()
    {
        var said = await RunAsync("doctor", "nothing-of-this-name");
        Assert.Equal((1, ""), (said.Status, said.Out));
        Assert.Contains("neither a job queue nor a compute environment", said.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x86_64")]
    [InlineData("arm64")]
    public async Task Ami_Region_PrintsTheImage(string arch)
    {
        var said = await RunAsync("ami", "--arch", arch, "--json");
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.StartsWith("ami-", said.Json.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("6.1", said.Json.GetProperty("kernel").GetString());
        Assert.EndsWith(arch, said.Json.GetProperty("name").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plan_Credentials_AsksEc2()
    {
        var said = await RunAsync("plan", "c6i.8xlarge");
        Assert.Contains("EC2's types in eu-central-1", said.Out, StringComparison.Ordinal);
        Assert.Contains("everything  70 s", said.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NextflowCheck_Credentials_LooksAtBucketAndQueue()
    {
        await CreateAsync("flow");
        var config = $"""
            workDir = 's3://{MotoFixture.OwnBucket}/work'
            process.executor = 'awsbatch'
            process.queue = 'flow-work'
            aws.region = 'eu-central-1'
            """;
        var said = await FloeProgram.RunAsync(["nextflow", "check", "-", "--json"], moto.Variables, config);
        var findings = said.Json.GetProperty("findings").EnumerateArray().ToDictionary(f => f.GetProperty("check").GetString()! + f.GetProperty("detail").GetString(), f => f.GetProperty("status").GetString());
        Assert.Equal("Pass", findings.First(f => f.Key.StartsWith("region", StringComparison.Ordinal)).Value);
        Assert.Equal("Pass", findings.First(f => f.Key.StartsWith("instance-types", StringComparison.Ordinal)).Value);
        Assert.Equal("Pass", findings.First(f => f.Key.StartsWith("image", StringComparison.Ordinal)).Value);
        Assert.Equal("Fail", findings.First(f => f.Key.StartsWith("spot-attempts", StringComparison.Ordinal)).Value);
        await RunAsync("forge", "delete", "--name", "flow");
    }

    private Task<Said> CreateAsync(string name, params string[] more) =>
        RunAsync(["forge", "create", "--name", name, "--bucket", MotoFixture.OwnBucket, "--type", "c6id.8xlarge", "--service-role", MotoFixture.ServiceRole, .. more]);

    private Task<Said> RunAsync(params string[] arguments) => FloeProgram.RunAsync(arguments, moto.Variables);
}
