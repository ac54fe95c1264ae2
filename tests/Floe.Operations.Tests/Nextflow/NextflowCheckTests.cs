using Floe.Operations.Instances;
using Floe.Operations.Nextflow;
using Floe.Operations.Planning;
using Xunit;

namespace Floe.Operations.Tests.Nextflow;

public sealed class NextflowCheckTests
{
    private const string Good = """
        workDir = 's3://bucket/work'
        process.executor = 'awsbatch'
        process.queue = 'work'
        process.errorStrategy = { task.exitStatus in ((130..145) + 104 + (174..176)) ? 'retry' : 'finish' }
        process.resourceLimits = [memory: '60 GB', cpus: 32]
        aws.region = 'eu-central-1'
        aws.batch.maxSpotAttempts = 5
        aws.batch.volumes = '/scratch/fusion:/tmp'
        fusion.enabled = true
        fusion.containerConfigUrl = 'https://x.example/floe-amd64.json'
        wave.enabled = true
        """;

    private static readonly NextflowSurroundings s_known = new() { BucketRegion = "eu-central-1", Types = Judge("c6id.8xlarge") };

    [Fact]
    public void Run_GoodConfiguration_AllPass() => Assert.All(Check(Good), f => Assert.Equal(FindingStatus.Pass, f.Status));

    [Theory]
    [InlineData("aws.batch.maxSpotAttempts = 5", "", "spot-attempts", FindingStatus.Fail)]
    [InlineData("aws.batch.maxSpotAttempts = 5", "aws.batch.maxSpotAttempts = 0", "spot-attempts", FindingStatus.Fail)]
    [InlineData("aws.batch.maxSpotAttempts = 5", "aws.batch.maxSpotAttempts = 1", "spot-attempts", FindingStatus.Fail)]
    [InlineData("aws.batch.maxSpotAttempts = 5", "aws.batch.maxSpotAttempts = 11", "spot-attempts", FindingStatus.Fail)]
    [InlineData("aws.batch.maxSpotAttempts = 5", "aws.batch.maxSpotAttempts = params.n", "spot-attempts", FindingStatus.Warn)]
    [InlineData("'awsbatch'", "'local'", "executor", FindingStatus.Fail)]
    [InlineData("process.executor = 'awsbatch'", "", "executor", FindingStatus.Fail)]
    [InlineData("process.queue = 'work'", "", "queue", FindingStatus.Fail)]
    [InlineData("fusion.enabled = true", "fusion.enabled = false", "fusion", FindingStatus.Fail)]
    [InlineData("fusion.enabled = true", "", "fusion", FindingStatus.Fail)]
    [InlineData("wave.enabled = true", "wave.enabled = false", "wave", FindingStatus.Fail)]
    [InlineData("wave.enabled = true", "", "wave", FindingStatus.Fail)]
    [InlineData("fusion.containerConfigUrl = 'https://x.example/floe-amd64.json'", "fusion.snapshots = true", "layer", FindingStatus.Fail)]
    [InlineData("https://x.example", "ftp://x.example", "layer", FindingStatus.Fail)]
    [InlineData("s3://bucket/work", "/scratch/work", "work-directory", FindingStatus.Fail)]
    [InlineData("workDir = 's3://bucket/work'", "", "work-directory", FindingStatus.Warn)]
    [InlineData("'eu-central-1'", "'us-east-1'", "region", FindingStatus.Fail)]
    [InlineData("aws.region = 'eu-central-1'", "", "region", FindingStatus.Warn)]
    [InlineData("aws.batch.volumes = '/scratch/fusion:/tmp'", "", "fast-storage", FindingStatus.Fail)]
    [InlineData("/scratch/fusion:/tmp", "/data:/data", "fast-storage", FindingStatus.Fail)]
    [InlineData("wave.enabled = true", "wave.enabled = true\nfusion.privileged = false", "privileged", FindingStatus.Fail)]
    [InlineData("wave.enabled = true", "wave.enabled = true\naws.batch.platformType = 'fargate'", "platform", FindingStatus.Fail)]
    [InlineData("wave.enabled = true", "wave.enabled = true\nprocess.scratch = true", "scratch", FindingStatus.Warn)]
    [InlineData("wave.enabled = true", "wave.enabled = true\nincludeConfig 'x'", "include", FindingStatus.Warn)]
    [InlineData("wave.enabled = true", "wave.enabled = true\nprocess.'withName:X'.executor = 'local'", "executor", FindingStatus.Warn)]
    [InlineData("'awsbatch'", "params.executor", "executor", FindingStatus.Warn)]
    [InlineData("'eu-central-1'", "params.region", "region", FindingStatus.Warn)]
    [InlineData("'/scratch/fusion:/tmp'", "params.volumes", "fast-storage", FindingStatus.Warn)]
    [InlineData("60 GB", "64 GB", "resource-limits", FindingStatus.Fail)]
    [InlineData("'60 GB'", "64.GB", "resource-limits", FindingStatus.Fail)]
    [InlineData("process.resourceLimits", "process.other", "resource-limits", FindingStatus.Warn)]
    [InlineData("174..176", "137", "error-strategy", FindingStatus.Warn)]
    [InlineData("process.errorStrategy", "process.other", "error-strategy", FindingStatus.Warn)]
    public void Run_OneThingWrong_IsFoundAndNothingElse(string from, string to, string check, FindingStatus status)
    {
        var text = Good.Replace(from, to, StringComparison.Ordinal);
        Assert.NotEqual(Good, text);
        var finding = Assert.Single(Check(text), f => f.Status != FindingStatus.Pass);
        Assert.Equal((check, status), (finding.Check, finding.Status));
        Assert.NotNull(finding.Fix);
        if (to.Length > 0 && finding.Line is { } line)
        {
            Assert.Contains(text.Split('\n')[line - 1].Split('=')[0].Trim(), finding.Detail.Replace("withName:X", "'withName:X'", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Run_TypesThatCannotMakeIt_AreNamedWithWhatWouldFit()
    {
        var findings = Check(Good, s_known with { Types = Judge("c6id.8xlarge", "r6id.8xlarge") });
        var failed = Assert.Single(findings, f => f is { Status: FindingStatus.Fail, Check: "instance-types" });
        Assert.Contains("r6id.8xlarge", failed.Detail, StringComparison.Ordinal);
        Assert.Contains("GB together", failed.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_ManyIncludes_AreOneFinding()
    {
        var text = Good + string.Concat(Enumerable.Range(0, 12).Select(i => $"\nincludeConfig 'conf/{i}.config'"));
        var finding = Assert.Single(Check(text), f => f.Status != FindingStatus.Pass);
        Assert.Equal(12, finding.Line);
        Assert.Equal("includeConfig 'conf/0.config', and 11 more (lines 13, 14, 15, 16, 17, 18, 19, 20, …), are not followed", finding.Detail);
    }

    [Fact]
    public void Run_NothingKnownOfAws_SaysWhatWasNotLookedAt()
    {
        var findings = Check(Good, new NextflowSurroundings { Unknown = "no AWS credentials" });
        Assert.Equal(["region", "instance-types"], findings.Where(f => f.Status == FindingStatus.Warn).Select(f => f.Check));
        Assert.Contains(findings, f => f.Detail.Contains("no AWS credentials", StringComparison.Ordinal));
    }

    [Fact]
    public void Run_SetInAProfileOnly_SaysWhich()
    {
        var text = Good.Replace("aws.batch.maxSpotAttempts", "profiles.spot.aws.batch.maxSpotAttempts", StringComparison.Ordinal);
        var finding = Assert.Single(Check(text), f => f.Status == FindingStatus.Fail);
        Assert.Contains("--profile spot", finding.Fix, StringComparison.Ordinal);
        Assert.DoesNotContain(NextflowCheck.Run(NextflowConfig.Read(text).WithProfiles(["spot"]), s_known), f => f.Status == FindingStatus.Fail);
    }

    [Fact]
    public void Snippet_AllPartsGiven_PassesTheCheck()
    {
        var snippet = NextflowSnippet.Write(new SnippetRequest
        {
            WorkDirectory = "s3://bucket/work", Region = "eu-central-1", Queue = "work's", LayerUrl = "https://x.example/floe-amd64.json", Limits = Planner.Limits(s_known.Types!),
        });
        Assert.All(Check(snippet), f => Assert.Equal(FindingStatus.Pass, f.Status));
        Assert.Contains(@"'work\'s'", snippet, StringComparison.Ordinal);
    }

    [Fact]
    public void Snippet_PartsMissing_SaysWhatBelongsThere()
    {
        var snippet = NextflowSnippet.Write(new SnippetRequest());
        Assert.Contains("// workDir = ", snippet, StringComparison.Ordinal);
        Assert.Contains("  // containerConfigUrl = ", snippet, StringComparison.Ordinal);
        Assert.Contains(Check(snippet), f => f is { Check: "layer", Status: FindingStatus.Fail });
    }

    private static IReadOnlyList<Finding> Check(string text, NextflowSurroundings? surroundings = null) => NextflowCheck.Run(NextflowConfig.Read(text), surroundings ?? s_known);

    private static IReadOnlyList<Estimate> Judge(params string[] types) => Planner.Judge(InstanceTable.Embedded(), types, new PlanRequest()).Types;
}
