using Floe.Aws.Api;
using Floe.Operations.Doctor;
using Floe.Operations.Instances;
using Floe.Operations.Planning;
using Xunit;

namespace Floe.Operations.Tests.Doctor;

/// <summary>A sound environment with one thing wrong at a time.</summary>
public sealed class DiagnosisTests
{
    private const string Policy =
        """{"Statement":[{"Effect":"Allow","Action":["ecs:*"],"Resource":"*"},{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}]}""";

    private static readonly Dictionary<string, string> s_noTags = [];
    private static readonly BatchEnvironment s_environment = new(
        "e", "arn", "MANAGED", "ENABLED", "VALID", "", false, "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED", ["c6id.8xlarge"], 0, 256, ["s"], ["g"], "profile", [new BatchImage("ECS_AL2023", null)], null, "t", "$Latest", null, s_noTags);

    private static readonly ComputeFacts s_compute = new()
    {
        Environment = s_environment,
        Template = new Ec2LaunchTemplateVersion(1, "", "for d in /dev/nvme*; do mkfs.xfs $d; done\nvm.dirty_bytes = 1\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n", null, 2, "required", 100),
        Role = "r",
        Permissions = new PolicySet([Policy]),
        Types = Types("c6id.8xlarge"),
    };

    private static readonly EnvironmentFacts s_sound = new()
    {
        Subject = "q", Region = "eu-central-1", Queue = new BatchQueue("q", "arn", "ENABLED", "VALID", "", 1, ["e"], s_noTags), Environments = [s_compute],
        Bucket = "b", BucketRegion = "eu-central-1", Jobs = [new BatchJob("1", "j", "SUCCEEDED", 5, true, true, true, ["/tmp"], null)], TypesFrom = "EC2's types",
    };

    [Fact]
    public void Of_SoundEnvironment_PassesEverything()
    {
        var findings = Diagnosis.Of(s_sound);
        Assert.All(findings, f => Assert.Equal((FindingStatus.Pass, null), (f.Status, f.Fix)));
        Assert.Equal(
            ["allocation", "bucket", "dirty-pages", "environment", "fast-storage", "image", "instance-types", "metadata", "nvme-mount", "provider", "queue", "retry-rules", "role-ecs", "role-store", "spot", "spot-draining"],
            findings.Select(f => f.Check).Order());
    }

    public static TheoryData<string, string, FindingStatus> OneThingWrong => new()
    {
        { "queue disabled", "queue", FindingStatus.Fail },
        { "queue empty", "queue", FindingStatus.Fail },
        { "invalid", "environment", FindingStatus.Fail },
        { "unmanaged", "provider", FindingStatus.Fail },
        { "EKS", "provider", FindingStatus.Fail },
        { "Fargate", "provider", FindingStatus.Fail },
        { "on demand", "spot", FindingStatus.Warn },
        { "best fit", "allocation", FindingStatus.Warn },
        { "image type AL2", "image", FindingStatus.Fail },
        { "no image type", "image", FindingStatus.Warn },
        { "image AL2", "image", FindingStatus.Fail },
        { "image AL2, newer kernel", "image", FindingStatus.Warn },
        { "image old kernel", "image", FindingStatus.Fail },
        { "image unknown", "image", FindingStatus.Warn },
        { "image gone", "image", FindingStatus.Fail },
        { "type too slow", "instance-types", FindingStatus.Fail },
        { "type unknown", "instance-types", FindingStatus.Warn },
        { "no NVMe", "fast-storage", FindingStatus.Warn },
        { "no template", "launch-template", FindingStatus.Fail },
        { "template unread", "launch-template", FindingStatus.Fail },
        { "no mount", "nvme-mount", FindingStatus.Fail },
        { "draining commented out", "spot-draining", FindingStatus.Warn },
        { "hop limit 1", "metadata", FindingStatus.Warn },
        { "role unread", "role", FindingStatus.Warn },
        { "role without ECS", "role-ecs", FindingStatus.Fail },
        { "role for another bucket", "role-store", FindingStatus.Fail },
        { "role for another bucket, jobs with their own", "role-store", FindingStatus.Warn },
        { "role without uploads in parts", "role-mount", FindingStatus.Warn },
        { "role that lists no uploads", "role-mount", FindingStatus.Warn },
        { "role without tags", "role-tags", FindingStatus.Warn },
        { "role that reads no tags", "role-tags", FindingStatus.Warn },
        { "policy unreadable", "role-store", FindingStatus.Warn },
        { "no bucket named", "bucket", FindingStatus.Warn },
        { "no such bucket", "bucket", FindingStatus.Fail },
        { "bucket elsewhere", "bucket", FindingStatus.Fail },
        { "no job", "retry-rules", FindingStatus.Warn },
        { "one attempt", "retry-rules", FindingStatus.Fail },
        { "rules for others", "retry-rules", FindingStatus.Fail },
        { "unprivileged", "privileged", FindingStatus.Fail },
        { "nothing at /tmp", "volumes", FindingStatus.Warn },
    };

    [Theory]
    [MemberData(nameof(OneThingWrong))]
    public void Of_OneThingWrong_IsFoundWithItsMend(string what, string check, FindingStatus status)
    {
        var finding = Diagnosis.Of(Spoil(what)).First(f => f.Status != FindingStatus.Pass);
        Assert.Equal((check, status), (finding.Check, finding.Status));
        Assert.NotEmpty(finding.Fix!);
    }

    [Theory]
    [InlineData("5.6")]
    [InlineData("5.15")]
    [InlineData("6.1")]
    [InlineData("6.12")]
    public void Of_KernelThatFloeCheckPasses_PassesHereToo(string kernel) =>
        Assert.Equal(FindingStatus.Pass, Diagnosis.Of(Image($"al2023-ami-ecs-hvm-2023.0.20240515-kernel-{kernel}-x86_64")).Single(f => f.Check == "image").Status);

    [Fact]
    public void Of_RoleWithNoRightOnTheBucket_NamesAllThatItLacks()
    {
        var said = string.Join('\n', Diagnosis.Of(Role(Policy.Replace(":::b", ":::c", StringComparison.Ordinal))).Select(f => f.Detail));
        Assert.All(StoreRights.All, right => Assert.Contains(right.Action, said, StringComparison.Ordinal));
    }

    private static EnvironmentFacts Spoil(string what) => what switch
    {
        "queue disabled" => s_sound with { Queue = s_sound.Queue! with { State = "DISABLED" } },
        "queue empty" => s_sound with { Environments = [] },
        "invalid" => With(e => e with { Status = "INVALID", StatusReason = "no role" }),
        "unmanaged" => With(e => e with { Type = "UNMANAGED", Kind = "" }),
        "EKS" => With(e => e with { IsEks = true }),
        "Fargate" => With(e => e with { Kind = "FARGATE_SPOT" }),
        "on demand" => With(e => e with { Kind = "EC2" }),
        "best fit" => With(e => e with { Strategy = "" }),
        "image type AL2" => With(e => e with { Images = [new BatchImage("ECS_AL2", null)] }),
        "no image type" => With(e => e with { Images = [] }),
        "image AL2" => Image("amzn2-ami-ecs-hvm-2.0.20240515-x86_64-ebs"),
        "image AL2, newer kernel" => Image("amzn2-ami-ecs-kernel-5.10-hvm-2.0.20240515-x86_64-ebs"),
        "image old kernel" => Image("al2023-ami-ecs-hvm-2023.0.20240515-kernel-5.4-x86_64"),
        "image unknown" => Image("ubuntu-noble"),
        "image gone" => With(e => e with { Images = [new BatchImage("ECS_AL2023", "ami-0123456789abcdef0")] }),
        "type too slow" => Compute(c => c with { Types = Types("c6id.8xlarge", "r6id.8xlarge") }),
        "type unknown" => Compute(c => c with { UnknownTypes = ["zz9.large"] }),
        "no NVMe" => Compute(c => c with { Types = Types("c6i.8xlarge") }),
        "no template" => With(e => e with { LaunchTemplate = null }),
        "template unread" => Compute(c => c with { Template = null }),
        "no mount" => Template(u => u.Replace("mkfs", "echo", StringComparison.Ordinal)),
        "draining commented out" => Template(u => u.Replace("ECS_ENABLE", "# ECS_ENABLE", StringComparison.Ordinal)),
        "hop limit 1" => Compute(c => c with { Template = c.Template! with { HopLimit = 1 } }),
        "role unread" => Compute(c => c with { Permissions = null }),
        "role without ECS" => Role(Policy.Replace("ecs:", "sqs:", StringComparison.Ordinal)),
        "role for another bucket" => Role(Policy.Replace(":::b", ":::c", StringComparison.Ordinal)),
        "role for another bucket, jobs with their own" => Role(Policy.Replace(":::b", ":::c", StringComparison.Ordinal)) with { Jobs = [s_sound.Jobs![0] with { JobRole = "arn:own" }] },
        "role without uploads in parts" => RoleWithout("s3:AbortMultipartUpload"),
        "role that lists no uploads" => RoleWithout("s3:ListBucketMultipartUploads"),
        "role without tags" => RoleWithout("s3:PutObjectTagging"),
        "role that reads no tags" => RoleWithout("s3:GetObjectTagging"),
        "policy unreadable" => Compute(c => c with { Permissions = new PolicySet([Policy.Replace("s3:*", "s3:Get*", StringComparison.Ordinal), "{"]) }),
        "no bucket named" => s_sound with { Bucket = null, BucketRegion = null },
        "no such bucket" => s_sound with { BucketRegion = null },
        "bucket elsewhere" => s_sound with { BucketRegion = "us-east-1" },
        "no job" => s_sound with { Jobs = [] },
        "one attempt" => Job(j => j with { Attempts = 1 }),
        "rules for others" => Job(j => j with { RetriesOnHost = false }),
        "unprivileged" => Job(j => j with { Privileged = false }),
        "nothing at /tmp" => Job(j => j with { MountedAt = ["/data"] }),
        _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
    };

    private static EnvironmentFacts Compute(Func<ComputeFacts, ComputeFacts> change) => s_sound with { Environments = [change(s_compute)] };

    private static EnvironmentFacts With(Func<BatchEnvironment, BatchEnvironment> change) => Compute(c => c with { Environment = change(c.Environment) });

    private static EnvironmentFacts Template(Func<string, string> change) => Compute(c => c with { Template = c.Template! with { UserData = change(c.Template.UserData) } });

    private static EnvironmentFacts Image(string name) => Compute(c => c with { Images = [new Ec2Image("ami-0123456789abcdef0", name, "", "x86_64", "available", "amazon", "")] });

    private static EnvironmentFacts Role(string policy) => Compute(c => c with { Permissions = new PolicySet([policy]) });

    private static EnvironmentFacts RoleWithout(string action) =>
        Role(Policy.Replace("\"s3:*\"", string.Join(',', StoreRights.All.Where(r => r.Action != action).Select(r => $"\"{r.Action}\"")), StringComparison.Ordinal));

    private static EnvironmentFacts Job(Func<BatchJob, BatchJob> change) => s_sound with { Jobs = [change(s_sound.Jobs![0])] };

    private static IReadOnlyList<Estimate> Types(params string[] names) => Planner.Judge(InstanceTable.Embedded(), names, new PlanRequest()).Types;
}
