using System.CommandLine;
using Floe.Cli.Console;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class PlanCommandTests
{
    [Fact]
    public async Task Plan_PublishedExample_IsSpelledOut()
    {
        var said = await FloeProgram.RunAsync(["plan", "c6i.8xlarge"]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("line rate   44 s", said.Out, StringComparison.Ordinal);
        Assert.Contains("everything  70 s", said.Out, StringComparison.Ordinal);
        Assert.Contains("64 : 12.5 is 5.12", said.Out, StringComparison.Ordinal);
        Assert.Contains("embedded table of 2026-10-28", said.Out, StringComparison.Ordinal);
        Assert.Contains("process.resourceLimits", said.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plan --offline r5.4xlarge")]
    [InlineData("plan --offline c6i.8xlarge r5.4xlarge")]
    public async Task Plan_OneTypeDoesNotFit_SaysSoAndFails(string line)
    {
        var said = await FloeProgram.RunAsync(line.Split(' '));
        Assert.Equal(1, said.Status);
        Assert.Contains("r5.4xlarge: does not fit", said.Out, StringComparison.Ordinal);
        Assert.Contains("everything  349 s of 97 s", said.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plan_Json_HasTheEstimate()
    {
        var type = (await FloeProgram.RunAsync(["plan", "c6i.8xlarge", "--json"])).Json.GetProperty("types")[0];
        Assert.Equal("Fits", type.GetProperty("verdict").GetString());
        Assert.InRange(type.GetProperty("everythingSeconds").GetDouble(), 69, 71);
    }

    [Fact]
    public async Task Plan_Csv_HasOneLineAType()
    {
        var lines = (await FloeProgram.RunAsync(["plan", "--memory", "16GiB", "--top", "3", "--csv"])).Out.TrimEnd().Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.Equal(lines[0].Count(c => c == ','), line.Count(c => c == ',')));
    }

    [Fact]
    public async Task Plan_Chart_ShowsTheRegion()
    {
        var said = await FloeProgram.RunAsync(["plan", "c6i.8xlarge", "x1e.32xlarge", "--chart"]);
        Assert.Equal(1, said.Status);
        Assert.Contains("●", said.Out, StringComparison.Ordinal);
        Assert.Contains("○", said.Out, StringComparison.Ordinal);
        Assert.Contains("····", said.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plan nonsense", "no instance type")]
    [InlineData("plan c6i.7xlarge", "c6i.8xlarge")]
    [InlineData("plan --memory lots", "size like 64GiB")]
    [InlineData("plan --margin 200", "from 0 to 90")]
    [InlineData("plan --region nowhere", "eu-central-1")]
    [InlineData("plan --measured /does/not/exist", "neither a file nor a folder")]
    public async Task Plan_BadInput_IsOneClearLine(string line, string expected)
    {
        var said = await FloeProgram.RunAsync(line.Split(' '));
        Assert.Equal(2, said.Status);
        Assert.Contains(expected, said.Error, StringComparison.Ordinal);
        Assert.StartsWith("floe: ", said.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plan_NvmeOnly_HasNoDisksThatTurn()
    {
        var said = await FloeProgram.RunAsync(["plan", "--memory", "32GiB", "--nvme", "--top", "5000", "--csv"]);
        Assert.Contains("\nc6id.8xlarge,", said.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("\nd3en.", said.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("64", 64)]
    [InlineData("64GiB", 64)]
    [InlineData("512MiB", 0.5)]
    [InlineData("1.5T", 1536)]
    public void Memory_Sizes_AreRead(string text, double gib)
    {
        var option = Amounts.Memory("--memory", "");
        Assert.Equal(gib, new RootCommand { option }.Parse(["--memory", text]).GetValue(option));
    }

    [Theory]
    [InlineData("GiB")]
    [InlineData("-1")]
    [InlineData("0")]
    [InlineData("2PiB")]
    public void Memory_Nonsense_IsRefused(string text) =>
        Assert.Contains("takes a size like 64GiB", new RootCommand { Amounts.Memory("--memory", "") }.Parse(["--memory", text]).Errors[0].Message, StringComparison.Ordinal);
}
