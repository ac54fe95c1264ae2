using Floe.Agent.Trace;
using Floe.Aws.Api;
using Floe.Operations.Reporting;
using Floe.Operations.Tests.Aws;
using Floe.Operations.Tests.Cli;
using Floe.Operations.Tests.Trace;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Reporting;

public sealed class SpotPriceHistoryTests
{
    [Fact]
    public async Task ReadAsync_Pages_AreOneHistoryInOrderOfTime()
    {
        await using var aws = await AwsDouble.StartAsync((asked, _) => new(200, asked.Body.Contains("NextToken", StringComparison.Ordinal)
            ? Page("", ("c6id.8xlarge", "eu-central-1a", "2026-11-02T07:00:00Z", "0.40"))
            : Page("more", ("c6id.8xlarge", "eu-central-1a", "2026-11-02T09:00:00Z", "0.60"), ("r6id.4xlarge", "eu-central-1b", "2026-11-02T07:00:00Z", "0.20"), ("c6id.8xlarge", "", "2026-11-02T08:00:00Z", "1"), ("c6id.8xlarge", "eu-central-1a", "2026-11-02T08:00:00Z", "-1"), ("c6id.8xlarge", "eu-central-1a", "2026-11-02T08:00:00Z", "a lot"))));
        var history = await SpotPriceHistory.ReadAsync([Traces.Survivor("one")], null, Traces.Start.AddDays(1), _ => aws.Client(), default);
        Assert.Equal([0.40, 0.60], history[("c6id.8xlarge", "eu-central-1a")].Select(p => p.PerHour));
        Assert.Equal(2, aws.Asked.Count);
        Assert.Contains("InstanceType.1=c6id.8xlarge&InstanceType.2=r6id.4xlarge", aws.Asked[0].Body, StringComparison.Ordinal);

        var prices = PriceList.Of([], history, 1);
        Assert.Equal(0.40, prices.PerHour(Traces.Machine(), Traces.Start));
        Assert.Equal(0.60, prices.PerHour(Traces.Machine(), Traces.Start.AddHours(2)));
        Assert.Null(prices.PerHour(Traces.Machine(zone: "eu-central-1c"), Traces.Start));
    }

    [Fact]
    public async Task ReadAsync_TimeThatIsNone_IsNoAnswer()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, Page("", ("c6id.8xlarge", "eu-central-1a", "not a time", "1"))));
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => SpotPriceHistory.ReadAsync([Traces.Survivor("one")], null, Traces.Start.AddDays(1), _ => client, default));
        Assert.Equal(AwsErrorKind.Malformed, e.Kind);
        Assert.Equal(4, aws.Asked.Count);
    }

    [Fact]
    public async Task ReadAsync_NothingThatEc2CouldTell_AsksNobody()
    {
        var hostile = Traces.Survivor("two");
        hostile = hostile with { Attempts = [hostile.Attempts[0] with { Machine = Traces.Machine("c6id.large&Action=TerminateInstances") }] };
        var history = await SpotPriceHistory.ReadAsync([hostile, Traces.Survivor("old", Traces.Start.AddDays(-200))], null, Traces.Start.AddDays(1), _ => throw new InvalidOperationException("asked"), default);
        Assert.Empty(history);
    }

    [Fact]
    public async Task ReadAsync_MachinesOfTwoRegions_AreAskedForWhereTheyRan()
    {
        var trace = Traces.Survivor("one");
        trace = trace with { Attempts = [trace.Attempts[0], trace.Attempts[1] with { Machine = new TraceMachine("i-1", "r6id.4xlarge", "spot", "us-east-1", "us-east-1b") }] };
        var regions = new List<string?>();
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, Page("")));
        await SpotPriceHistory.ReadAsync([trace], null, Traces.Start.AddDays(1), region => { regions.Add(region); return aws.Client(); }, default);
        Assert.Equal(["eu-central-1", "us-east-1"], regions.Order());
    }

    [Fact]
    public async Task Report_SpotHistoryDenied_NamesThePermission()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(403, "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>"));
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => SpotPriceHistory.ReadAsync([Traces.Survivor("one")], null, Traces.Start.AddDays(1), _ => client, default));
        Assert.Contains("ec2:DescribeSpotPriceHistory", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Report_SpotHistory_CountsTheSavings()
    {
        // EC2 keeps 90 days: the task ran yesterday, whenever that is.
        var start = TimeProvider.System.GetUtcNow().AddDays(-1);
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, Page("", ("r6id.4xlarge", "eu-central-1b", start.AddDays(-1).ToString("O"), "0.25"), ("c6id.8xlarge", "eu-central-1a", start.AddDays(-1).ToString("O"), "0.50"))));
        using var folder = new ScratchFolder();
        await File.WriteAllBytesAsync(folder["trace.json"], TraceCodec.Write(Traces.Survivor("one", start)));
        var said = await FloeProgram.RunAsync(["report", folder.Path, "--spot-history", "--json"], aws.Variables);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Equal(0.25, said.Json.GetProperty("totals").GetProperty("saved").GetDouble(), 3);
        Assert.Equal("EC2 Spot price history", said.Json.GetProperty("prices").GetString());
    }

    private static string Page(string token, params (string Type, string Zone, string At, string Price)[] prices) =>
        $"<R><spotPriceHistorySet>{string.Concat(prices.Select(p => $"<item><instanceType>{p.Type}</instanceType><availabilityZone>{p.Zone}</availabilityZone><timestamp>{p.At}</timestamp><spotPrice>{p.Price}</spotPrice></item>"))}</spotPriceHistorySet><nextToken>{token}</nextToken></R>";
}
