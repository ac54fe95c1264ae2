using Floe.Operations.Tests.Aws;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>What the user of a verb that calls AWS sees when it cannot: one clear line and the right status.</summary>
public sealed class AwsVerbTests
{
    private static readonly (string, string)[] s_keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "testtest")];

    public static TheoryData<string> Verbs =>
    [
        "ami", "doctor q", "forge show", "forge delete", "forge create --bucket my-bucket --type c6id.8xlarge --subnet subnet-1 --security-group sg-1",
    ];

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Verb_NoCredentials_SaysHowToHaveThem(string line)
    {
        var said = await FloeProgram.RunAsync([.. line.Split(' '), "--region", "eu-central-1"]);
        Assert.Equal((1, ""), (said.Status, said.Out));
        Assert.Contains("no AWS credentials", OneLine(said), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ami", "give --region")]
    [InlineData("forge delete --region evil.example.com/1", "is no AWS region")]
    public async Task Verb_NoRegionOrNone_IsWrongUsage(string line, string expected)
    {
        var said = await FloeProgram.RunAsync(line.Split(' '), s_keys);
        Assert.Equal((2, ""), (said.Status, said.Out));
        Assert.Contains(expected, OneLine(said), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Verb_Denied_NamesThePermission(string line)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(403, """{"__type":"AccessDeniedException"}"""));
        var said = await FloeProgram.RunAsync(line.Split(' '), aws.Variables);
        Assert.Equal((1, ""), (said.Status, said.Out));
        Assert.Matches("may not do (ssm|batch|iam):[A-Za-z]+ ", said.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]);
    }

    [Fact]
    public async Task Ami_ThrottledForGood_SaysSo()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(400, """{"__type":"ThrottlingException","message":"Rate exceeded"}"""));
        var said = await FloeProgram.RunAsync(["ami"], [.. aws.Variables, ("AWS_MAX_ATTEMPTS", "3")]);
        Assert.Equal((1, ""), (said.Status, said.Out));
        Assert.Contains("slow down after 3 tries", OneLine(said), StringComparison.Ordinal);
        Assert.Equal(3, aws.Asked.Count);
    }

    [Theory]
    [InlineData("AWS_MAX_ATTEMPTS", "0")]
    [InlineData("AWS_ENDPOINT_URL_SSM", "ftp://x")]
    [InlineData("AWS_REGION", "Frankfurt")]
    public async Task Verb_VariableThatMakesNoSense_IsNamed(string name, string value)
    {
        var said = await FloeProgram.RunAsync(["ami"], [.. s_keys, (name, value)]);
        Assert.Equal((2, ""), (said.Status, said.Out));
        Assert.Contains(name == "AWS_REGION" ? $"'{value}' is no AWS region" : name, OneLine(said), StringComparison.Ordinal);
    }

    [Fact]
    public async Task NextflowCheck_AwsDenied_ChecksTheRestAndSaysWhy()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(403, """{"__type":"AccessDeniedException"}"""));
        var said = await FloeProgram.RunAsync(["nextflow", "check", "-"], aws.Variables, "workDir = 's3://my-bucket/work'\nprocess.queue = 'q'\naws.region = 'eu-central-1'\n");
        Assert.Equal(1, said.Status);
        Assert.Contains("could not be looked at (these credentials may not do batch:DescribeJobQueues", said.Out, StringComparison.Ordinal);
        Assert.Contains("fusion.enabled is not set", said.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("forge create", "give --bucket")]
    [InlineData("forge create --bucket my-bucket", "give --type")]
    [InlineData("forge create --bucket my-bucket --type c6id.8xlarge", "give --subnet")]
    [InlineData("forge create --bucket my-bucket --type c6id.8xlarge --subnet subnet-1", "not all of the subnets")]
    [InlineData("forge create --bucket my-bucket --image ubuntu", "ami-0123456789abcdef0")]
    [InlineData("forge create --bucket my-bucket --emit helm", "cloudformation or terraform")]
    [InlineData("forge create --name Wrong", "--name takes")]
    [InlineData("ami --arch mips", "x86_64, arm64")]
    [InlineData("doctor", "NAME")]
    [InlineData("doctor q --bucket gs://b", "is no store")]
    public async Task Verb_WrongArguments_AreOneClearLine(string line, string expected)
    {
        // Whoever answers knows no types, subnets or anything else.
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, "<R/>"));
        var said = await FloeProgram.RunAsync(line.Split(' '), aws.Variables);
        Assert.Equal(2, said.Status);
        Assert.Contains(expected, said.Error, StringComparison.Ordinal);
        Assert.All(said.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => Assert.StartsWith("floe: ", l, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("plan")]
    [InlineData("ami")]
    [InlineData("forge create")]
    [InlineData("forge show")]
    [InlineData("forge delete")]
    [InlineData("nextflow config")]
    [InlineData("nextflow check")]
    [InlineData("doctor")]
    [InlineData("report")]
    [InlineData("top")]
    [InlineData("layer build")]
    [InlineData("layer verify")]
    [InlineData("image add-layer")]
    public async Task Verb_Help_HasAnExampleAndJson(string verb)
    {
        var said = await FloeProgram.RunAsync([.. verb.Split(' '), "--help"]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains($"floe {verb}", said.Out.Split("Usage:")[0], StringComparison.Ordinal);
        Assert.Contains("--json", said.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("terraform", "resource \"aws_batch_job_queue\" \"work\" {")]
    [InlineData("cloudformation", "\"AWS::Batch::JobQueue\"")]
    public async Task Emit_AllGiven_NeedsNoCredentials(string tool, string expected)
    {
        var said = await FloeProgram.RunAsync(["forge", "create", "--region", "eu-central-1", "--bucket", "my-bucket", "--type", "c6id.8xlarge", "--subnet", "subnet-1", "--security-group", "sg-1", "--emit", tool]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains(expected, said.Out, StringComparison.Ordinal);
    }

    private static string OneLine(Said said) => Assert.Single(said.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
}
