using CsCheck;
using Floe.Operations.Nextflow;
using Xunit;

namespace Floe.Operations.Tests.Nextflow;

public sealed class ConfigReaderTests
{
    [Fact]
    public void Read_FlatOutput_HasEachAssignmentWithItsLine()
    {
        var config = NextflowConfig.Read("""
            process.executor = 'awsbatch'
            process.'withName:FOO'.memory = '4 GB'
            aws.batch.maxSpotAttempts = 5
            aws.batch.volumes = ['/scratch/fusion:/tmp', '/data']
            fusion.enabled = true
            process.errorStrategy = { task.exitStatus in [175,176] ? 'retry' : 'finish' }
            """);
        Assert.Equal([1, 2, 3, 4, 5, 6], config.Entries.Select(e => e.Line));
        Assert.Equal("awsbatch", config.Find("process.executor")!.Word);
        Assert.Equal("4 GB", config.Find("process.withName:FOO.memory")!.Word);
        Assert.Equal(5, config.Find("aws.batch.maxSpotAttempts")!.Number);
        Assert.Equal(["/scratch/fusion:/tmp", "/data"], config.Find("aws.batch.volumes")!.Words);
        Assert.True(config.Find("fusion.enabled")!.Truth);
        Assert.True(config.Find("process.errorStrategy")!.IsExpression);
    }

    [Fact]
    public void Read_PlainFile_FollowsBlocksSelectorsAndComments()
    {
        var config = NextflowConfig.Read("""
            // fusion.enabled = false
            plugins { id 'nf-amazon' }
            params.input = "s3://x/${y}"   // trailing
            process {
                executor = 'awsbatch' /* here */
                withName: 'FOO|BAR' { memory = 4.GB; cpus = 2 }
                withLabel:big { memory = { 8.GB * task.attempt } }
                errorStrategy = {
                    task.exitStatus in ((130..145) + 104) ? 'retry'
                        : 'finish'   // }
                }
            }
            aws { batch { volumes = '/scratch/fusion:/tmp' } }
            profiles { spot { aws.batch.maxSpotAttempts = 3 } }
            includeConfig 'conf/base.config'
            if (params.x) { fusion.enabled = false }
            fusion.enabled = true
            """);
        Assert.Equal("awsbatch", config.Find("process.executor")!.Word);
        Assert.Equal("4.GB", config.Find("process.withName:FOO|BAR.memory")!.Text);
        Assert.Equal("2", config.Find("process.withName:FOO|BAR.cpus")!.Text);
        Assert.Equal("{ 8.GB * task.attempt }", config.Find("process.withLabel:big.memory")!.Text);
        Assert.EndsWith("}", config.Find("process.errorStrategy")!.Text, StringComparison.Ordinal);
        Assert.Equal("/scratch/fusion:/tmp", config.Find("aws.batch.volumes")!.Word);
        Assert.Equal(["spot"], config.ProfileNames());
        Assert.Equal(3, config.WithProfiles(["spot"]).Find("aws.batch.maxSpotAttempts")!.Number);
        Assert.Equal("'conf/base.config'", Assert.Single(config.Includes).Text);
        Assert.Equal(17, config.Find("fusion.enabled")!.Line);
    }

    [Fact]
    public void WithProfiles_Unknown_NamesThoseThereAre()
    {
        var e = Assert.Throws<KeyNotFoundException>(() => NextflowConfig.Read("profiles { aws { x = 1 } }").WithProfiles(["gcp"]));
        Assert.Contains("there are aws", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_AnyText_Ends() => Gen.String[Gen.Char["aw.{}[]()'\"/*\\\n =;:-#$"], 0, 60].Sample(text => NextflowConfig.Read(text) is not null, iter: 20_000);

    [Fact]
    public void Read_DeeplyNested_DoesNotOverflow() => Assert.Empty(NextflowConfig.Read(string.Concat(Enumerable.Repeat("a { ", 100_000))).Entries);
}
