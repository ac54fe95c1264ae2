using Floe.Aws.Api;
using Floe.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Aws;

public sealed class AwsClientTests
{
    private const string NoTypes = "<DescribeInstanceTypesResponse><instanceTypeSet/></DescribeInstanceTypesResponse>";

    [Fact]
    public async Task Query_Denied_SaysWhichPermissionIsMissingAndDoesNotTryAgain()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(403, Ec2Error("UnauthorizedOperation", "You are not authorized")));
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => new Ec2Api(client).DescribeInstanceTypesAsync(null, default));
        Assert.Equal(AwsErrorKind.Denied, e.Kind);
        Assert.Contains("ec2:DescribeInstanceTypes", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Single(aws.Asked);
    }

    [Fact]
    public async Task Query_ThrottledTwice_Succeeds()
    {
        await using var aws = await AwsDouble.StartAsync((_, n) => n < 3 ? new(503, Ec2Error("RequestLimitExceeded", "slow down")) : new(200, NoTypes));
        using var client = aws.Client();
        Assert.Empty(await new Ec2Api(client).DescribeInstanceTypesAsync(null, default));
        Assert.Equal(3, aws.Asked.Count);
    }

    [Fact]
    public async Task Json_ThrottledForGood_GivesUpAndSaysSo()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(400, """{"__type":"com.amazonaws.ssm#ThrottlingException","message":"Rate exceeded"}"""));
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => new SsmApi(client).GetParameterAsync("/x", default));
        Assert.Equal((AwsErrorKind.Throttled, "ThrottlingException"), (e.Kind, e.Code));
        Assert.Contains("4 tries", e.Message, StringComparison.Ordinal);
        Assert.Equal(4, aws.Asked.Count);
    }

    [Theory]
    [InlineData("<html>login</html", AwsErrorKind.Malformed)]
    [InlineData("<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>", AwsErrorKind.Malformed)]
    [InlineData("", AwsErrorKind.Malformed)]
    public async Task Query_GarbledAnswer_IsMalformed(string body, AwsErrorKind kind)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, body));
        using var client = aws.Client();
        Assert.Equal(kind, (await Assert.ThrowsAsync<AwsException>(() => new Ec2Api(client).DescribeInstanceTypesAsync(null, default))).Kind);
    }

    [Theory]
    [InlineData("{\"jobQueues\":")]
    [InlineData("[]")]
    [InlineData("<x/>")]
    public async Task Rest_GarbledAnswer_IsMalformed(string body)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, body));
        using var client = aws.Client();
        Assert.Equal(AwsErrorKind.Malformed, (await Assert.ThrowsAsync<AwsException>(() => new BatchApi(client).DescribeQueuesAsync(null, default))).Kind);
    }

    [Fact]
    public async Task Rest_MembersOfOtherTypes_CountAsMissing()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, """{"jobQueues":[{"jobQueueName":7,"priority":"high","tags":[],"computeEnvironmentOrder":{}},"x"],"nextToken":5}"""));
        using var client = aws.Client();
        var queues = await new BatchApi(client).DescribeQueuesAsync(null, default);
        Assert.Equal(("", 0), (queues[0].Name, queues[0].Priority));
        Assert.Equal(2, queues.Count);
    }

    [Fact]
    public async Task DescribeInstanceTypes_Pages_AreAllRead()
    {
        await using var aws = await AwsDouble.StartAsync((_, n) => new(200,
            $"<R><instanceTypeSet>{TypeXml($"c6i.{n}xlarge", "Up to 12.5 Gigabit", 10, 20)}</instanceTypeSet>{(n < 3 ? $"<nextToken>t{n}</nextToken>" : "")}</R>"));
        using var client = aws.Client();
        var types = await new Ec2Api(client).DescribeInstanceTypesAsync(null, default);
        Assert.Equal(["c6i.1xlarge", "c6i.2xlarge", "c6i.3xlarge"], types.Select(t => t.Name));
        Assert.Contains("NextToken=t2", aws.Asked[2].Body, StringComparison.Ordinal);
        Assert.All(types, t => Assert.Equal((10, 12.5), (t.BaselineGbps, t.PeakGbps)));
    }

    [Fact]
    public async Task DescribeInstanceTypes_SameTokenForEver_Ends()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, "<R><instanceTypeSet/><nextToken>again</nextToken></R>"));
        using var client = aws.Client();
        await new Ec2Api(client).DescribeInstanceTypesAsync(null, default);
        Assert.Equal(2, aws.Asked.Count);
    }

    [Theory]
    [InlineData("12.5 Gigabit", 12.5)]
    [InlineData("Up to 40 Gigabit", 40.0)]
    [InlineData("8x 100 Gigabit", 800.0)]
    [InlineData("Low to Moderate", null)]
    [InlineData("", null)]
    public void Headline_Text_IsRead(string text, double? gbps) => Assert.Equal(gbps, Ec2Api.Headline(text));

    [Fact]
    public async Task Send_NobodyThere_SaysWhatToLookAt()
    {
        using var client = new AwsClient(
            new AwsOptions { Region = "eu-nowhere-1", Endpoints = new Dictionary<string, Uri> { [""] = new("http://127.0.0.1:1") }, MaxAttempts = 2, MaxBackoff = TimeSpan.FromMilliseconds(1) },
            TimeProvider.System, NullLogger.Instance, new FixedCredentials(new AccessKeys("a", "b")));
        var e = await Assert.ThrowsAsync<AwsException>(() => new SsmApi(client).GetParameterAsync("/x", default));
        Assert.Equal(AwsErrorKind.Unreachable, e.Kind);
        Assert.Contains("'eu-nowhere-1' is a region", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_ExpiredKeys_SaysSo()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(403, "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>too old</Message></Error></ErrorResponse>"));
        using var client = aws.Client();
        Assert.Equal(AwsErrorKind.Credentials, (await Assert.ThrowsAsync<AwsException>(() => new IamApi(client).GetRoleAsync("r", default))).Kind);
    }

    [Fact]
    public async Task Send_AnyService_SignsForItAndSendsTheToken()
    {
        await using var aws = await AwsDouble.StartAsync((asked, _) => asked.Service == "iam" ? new(404, "<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>") : new(200, "{}"));
        using var client = aws.Client();
        Assert.Null(await new IamApi(client).GetRoleAsync("r", default));
        Assert.Null(await new SsmApi(client).GetParameterAsync("/x", default));
        Assert.Empty(await new BatchApi(client).DescribeQueuesAsync(null, default));
        Assert.Equal(["iam", "ssm", "batch"], aws.Asked.Select(a => a.Service));
        Assert.All(aws.Asked, a => Assert.Equal("token", a.Headers["x-amz-security-token"]));

        // IAM is one for all regions and signed for its own.
        Assert.Contains("/us-east-1/iam/", aws.Asked[0].Headers.Authorization.ToString(), StringComparison.Ordinal);
        Assert.Contains("/eu-central-1/batch/", aws.Asked[2].Headers.Authorization.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("eu-central-1", true)]
    [InlineData("us-gov-west-1", true)]
    [InlineData("evil.example.com/1", false)]
    [InlineData("eu-central", false)]
    [InlineData("EU-CENTRAL-1", false)]
    [InlineData("", false)]
    public void IsRegion_Text_IsOneOrNot(string text, bool isRegion) => Assert.Equal(isRegion, AwsOptions.IsRegion(text));

    [Theory]
    [InlineData("eu-central-1", "https://ec2.eu-central-1.amazonaws.com/", "https://iam.amazonaws.com/")]
    [InlineData("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/", "https://iam.cn-north-1.amazonaws.com.cn/")]
    [InlineData("us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com/", "https://iam.us-gov.amazonaws.com/")]
    public void Endpoint_Region_IsItsPartitions(string region, string ec2, string iam)
    {
        var options = new AwsOptions();
        Assert.Equal(ec2, options.Endpoint(AwsService.Ec2, region).ToString());
        Assert.Equal(iam, options.Endpoint(AwsService.Iam, region).ToString());
    }

    private static string Ec2Error(string code, string message) => $"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>";

    private static string TypeXml(string name, string headline, double baseline, double peak) => FormattableString.Invariant(
        $"<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo><networkInfo><networkPerformance>{headline}</networkPerformance><networkCards><item><baselineBandwidthInGbps>{baseline}</baselineBandwidthInGbps><peakBandwidthInGbps>{peak}</peakBandwidthInGbps></item></networkCards></networkInfo></item>");
}
