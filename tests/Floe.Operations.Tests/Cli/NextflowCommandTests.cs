using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class NextflowCommandTests
{
    [Fact]
    public async Task Config_AllParts_PassesTheCheck()
    {
        var written = await FloeProgram.RunAsync(["nextflow", "config", "--work", "s3://my-bucket/work", "--region", "eu-central-1", "--queue", "floe-work", "--type", "c6id.8xlarge", "--layer", "https://h.example/floe-amd64.json"]);
        Assert.Equal((0, ""), (written.Status, written.Error));
        Assert.Contains("maxSpotAttempts = 5", written.Out, StringComparison.Ordinal);

        var checkedAgain = await FloeProgram.RunAsync(["nextflow", "check", "-", "--strict", "--offline", "--type", "c6id.8xlarge", "--bucket-region", "eu-central-1"], input: written.Out);
        Assert.Equal(0, checkedAgain.Status);
        Assert.Contains("0 failed, 0 warned", checkedAgain.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Config_Json_HasTheSnippetAndTheLimits()
    {
        var said = await FloeProgram.RunAsync(["nextflow", "config", "--type", "c6i.8xlarge", "--json"]);
        Assert.Equal(60, said.Json.GetProperty("request").GetProperty("limits").GetProperty("memoryGiB").GetInt32());
        Assert.Contains("fusion {", said.Json.GetProperty("snippet").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_WrongConfiguration_SaysLineAndMend()
    {
        var said = await FloeProgram.RunAsync(["nextflow", "check", "-", "--offline"], input: "process.executor = 'local'\naws { batch { maxSpotAttempts = 0 } }\n");
        Assert.Equal(1, said.Status);
        Assert.Contains("FAIL  line 1: process.executor is 'local'", said.Out, StringComparison.Ordinal);
        Assert.Contains("FAIL  line 2: aws.batch.maxSpotAttempts is 0", said.Out, StringComparison.Ordinal);
        Assert.Contains("      -> aws.batch.maxSpotAttempts = 5\n", said.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nextflow config --work /local", "not in S3")]
    [InlineData("nextflow config --region nowhere", "no AWS region")]
    [InlineData("nextflow config --type nonsense", "--type")]
    [InlineData("nextflow config --layer ftp://x", "http(s)")]
    [InlineData("nextflow config --volume scratch", "--volume takes")]
    [InlineData("nextflow config --attempts 1", "from 2 to 10")]
    [InlineData("nextflow check /does/not/exist", "cannot read")]
    [InlineData("nextflow check -", "no assignment")]
    [InlineData("nextflow check", "FILE")]
    public async Task Nextflow_BadInput_IsOneClearLine(string line, string expected)
    {
        var said = await FloeProgram.RunAsync(line.Split(' '));
        Assert.Equal((2, ""), (said.Status, said.Out));
        Assert.Contains(expected, said.Error, StringComparison.Ordinal);
    }
}
