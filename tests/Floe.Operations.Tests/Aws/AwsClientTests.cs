using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Amazon.Runtime;
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
    [InlineData("<!DOCTYPE html><html><body>log in</body></html>", AwsErrorKind.Malformed)]
    [InlineData("\uFEFF\n<!DOCTYPE html>\n<html><body>log in</body></html>", AwsErrorKind.Malformed)]
    [InlineData("<R><instanceTypeSet><item><vCpuInfo><defaultVCpus>many</defaultVCpus></vCpuInfo></item></instanceTypeSet></R>", AwsErrorKind.Malformed)]
    [InlineData("<R><instanceTypeSet><item><memoryInfo><sizeInMiB>99999999999999999999</sizeInMiB></memoryInfo></item></instanceTypeSet></R>", AwsErrorKind.Malformed)]
    [InlineData("{}", AwsErrorKind.Malformed)]
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

    [Theory]
    [InlineData("{\"Parameter\":")]
    [InlineData("[]")]
    [InlineData("<x/>")]
    [InlineData("<!DOCTYPE html><html/>")]
    [InlineData("")]
    public async Task Json_GarbledAnswer_IsMalformed(string body)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, body));
        using var client = aws.Client();
        Assert.Equal(AwsErrorKind.Malformed, (await Assert.ThrowsAsync<AwsException>(() => new SsmApi(client).GetParameterAsync("/x", default))).Kind);
        Assert.Equal(4, aws.Asked.Count);
    }

    [Theory]
    [InlineData(403, AwsErrorKind.Denied, 1)]
    [InlineData(404, AwsErrorKind.NotFound, 1)]
    [InlineData(302, AwsErrorKind.Invalid, 1)]
    [InlineData(429, AwsErrorKind.Throttled, 4)]
    [InlineData(502, AwsErrorKind.Unavailable, 4)]
    public async Task Query_ErrorIsAProxysPage_GoesByItsStatus(int status, AwsErrorKind kind, int tries)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(status, "<!DOCTYPE html><html>Bad <b>luck</html>"));
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => new Ec2Api(client).DescribeInstanceTypesAsync(null, default));
        Assert.Equal((kind, ""), (e.Kind, e.Code));
        Assert.Contains($"status {status}", e.Message, StringComparison.Ordinal);
        Assert.Equal(tries, aws.Asked.Count);
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
    public async Task DescribeInstanceTypes_TokensInACircle_End()
    {
        await using var aws = await AwsDouble.StartAsync((_, n) => new(200, $"<R><instanceTypeSet/><nextToken>t{n % 3}</nextToken></R>"));
        using var client = aws.Client();
        await new Ec2Api(client).DescribeInstanceTypesAsync(null, default);
        Assert.Equal(4, aws.Asked.Count);
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
    public void Fault_NoSuchHost_IsTheRegionsFault()
    {
        var unknown = new HttpRequestException("Name or service not known", new SocketException((int)SocketError.HostNotFound));
        var refused = new HttpRequestException("Connection refused", new SocketException((int)SocketError.ConnectionRefused));
        Assert.Equal(AwsErrorKind.Region, AwsFault.Of(unknown)!.Kind);
        Assert.Equal(AwsErrorKind.Region, AwsFault.Of(new AmazonClientException("failed", unknown))!.Kind);
        Assert.Equal(AwsErrorKind.Unreachable, AwsFault.Of(refused)!.Kind);
        Assert.Equal(AwsErrorKind.Unreachable, AwsFault.Of(new AmazonServiceException("failed", refused))!.Kind);
        Assert.Equal(AwsErrorKind.Invalid, AwsFault.Of(new AmazonClientException("these settings make no sense"))!.Kind);
        Assert.Null(AwsFault.Of(new NullReferenceException()));
    }

    [Theory]
    [InlineData("ec2")]
    [InlineData("ssm")]
    [InlineData("batch")]
    public async Task Send_OneServiceIsElsewhere_OnlyItsCallsGoThere(string elsewhere)
    {
        // The path that an endpoint begins with stays.
        await using var aws = await AwsDouble.StartAsync((_, _) => new(403, ""));
        var endpoints = new Dictionary<string, Uri> { [elsewhere.ToUpperInvariant()] = new(aws.Endpoint, "/behind/"), [""] = new("http://127.0.0.1:1") };
        using var client = new AwsClient(
            new AwsOptions { Region = "eu-central-1", Endpoints = endpoints, MaxAttempts = 1 }, TimeProvider.System, NullLogger.Instance, new FixedCredentials(new AccessKeys("a", "b")));
        foreach (var service in (string[])["ec2", "ssm", "batch"])
        {
            var e = await Assert.ThrowsAsync<AwsException>(() => AskAsync(client, service));
            Assert.Equal(service == elsewhere ? AwsErrorKind.Denied : AwsErrorKind.Unreachable, e.Kind);
        }

        Assert.StartsWith("/behind/", Assert.Single(aws.Asked).Path, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ec2")]
    [InlineData("ssm")]
    [InlineData("batch")]
    public async Task Send_AnswerStopsInItsMiddle_EndsAtTheTimeLimit(string service)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = new CancellationTokenSource();
        var peer = StallAsync(listener, stop.Token);
        using var client = Client(new Uri($"http://{listener.LocalEndpoint}"), new FixedCredentials(new AccessKeys("a", "b")), TimeSpan.FromSeconds(1));
        var e = await Assert.ThrowsAsync<AwsException>(() => AskAsync(client, service));
        Assert.Equal(AwsErrorKind.Unreachable, e.Kind);
        Assert.Contains("nothing within 1 s", e.Message, StringComparison.Ordinal);
        await stop.CancelAsync();
        await peer;
    }

    [Theory]
    [InlineData("ec2")]
    [InlineData("ssm")]
    [InlineData("batch")]
    public async Task Send_Cancelled_IsNoFailure(string service)
    {
        using var cancellation = new CancellationTokenSource();
        await using var aws = await AwsDouble.StartAsync((_, _) =>
        {
            cancellation.Cancel();
            return new(503, "");
        });
        using var client = aws.Client();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AskAsync(client, service, cancellation.Token));
        Assert.Single(aws.Asked);
    }

    [Theory]
    [InlineData("ec2", "ec2:DescribeInstanceTypes", "<Response><Errors><Error><Code>AccessDenied</Code>{0}</Error></Errors></Response>", "<Message>not\nyou</Message>")]
    [InlineData("ssm", "ssm:GetParameter", "{{\"__type\":\"com.amazon.coral#AccessDenied\"{0}}}", ",\"message\":\"not\\nyou\"")]
    [InlineData("batch", "batch:DescribeJobQueues", "{{\"__type\":\"com.amazon.coral#AccessDenied\"{0}}}", ",\"message\":\"not\\nyou\"")]
    public async Task Send_Refused_IsTheSameLineWhoeverAsked(string service, string permission, string refusal, string message)
    {
        foreach (var (said, expected) in new[] { (message, "AccessDenied: not you"), ("", "AccessDenied") })
        {
            await using var aws = await AwsDouble.StartAsync((_, _) => new(403, string.Format(CultureInfo.InvariantCulture, refusal, said)));
            using var client = aws.Client();
            var e = await Assert.ThrowsAsync<AwsException>(() => AskAsync(client, service));
            Assert.Equal((AwsErrorKind.Denied, "AccessDenied"), (e.Kind, e.Code));
            Assert.Equal($"these credentials may not do {permission} ({expected}); allow it, or use a role that may", e.Message);
        }
    }

    [Theory]
    [InlineData("ec2", "<Response><Errors><Error><Code>RequestExpired</Code></Error></Errors></Response>")]
    [InlineData("ssm", """{"__type":"ExpiredTokenException"}""")]
    [InlineData("batch", """{"__type":"ExpiredTokenException"}""")]
    public async Task Send_ExpiredKeys_AsksOnceForNewerOnes(string service, string refusal)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(400, refusal));
        using var client = Client(aws.Endpoint, new RenewedKeys(), TimeSpan.FromSeconds(60));
        Assert.Equal(AwsErrorKind.Credentials, (await Assert.ThrowsAsync<AwsException>(() => AskAsync(client, service))).Kind);
        Assert.Equal(["KEY1", "KEY2"], aws.Asked.Select(a => a.Headers.Authorization.ToString().Split("Credential=")[1].Split('/')[0]));
        Assert.Equal(["token1", "token2"], aws.Asked.Select(a => a.Headers["x-amz-security-token"].ToString()));
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
        await Assert.ThrowsAsync<AwsException>(() => new Ec2Api(client).DescribeInstanceTypesAsync(null, default));
        Assert.Equal(["iam", "ssm", "batch", "ec2"], aws.Asked.Select(a => a.Service).Distinct());
        Assert.All(aws.Asked, a => Assert.Equal("token", a.Headers["x-amz-security-token"]));

        // IAM is one for all regions and signed for its own.
        Assert.Contains("/us-east-1/iam/", aws.Asked[0].Headers.Authorization.ToString(), StringComparison.Ordinal);
        Assert.All(aws.Asked.Skip(1), a => Assert.Contains($"/eu-central-1/{a.Service}/", a.Headers.Authorization.ToString(), StringComparison.Ordinal));
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

    private static AwsClient Client(Uri endpoint, ICredentialSource credentials, TimeSpan timeout) => new(
        new AwsOptions { Region = "eu-central-1", Endpoints = new Dictionary<string, Uri> { [""] = endpoint }, MaxAttempts = 1, RequestTimeout = timeout }, TimeProvider.System, NullLogger.Instance, credentials);

    private static Task AskAsync(AwsClient client, string service, CancellationToken cancellationToken = default) => service switch
    {
        "ec2" => new Ec2Api(client).DescribeInstanceTypesAsync(null, cancellationToken),
        "ssm" => new SsmApi(client).GetParameterAsync("/x", cancellationToken),
        _ => new BatchApi(client).DescribeQueuesAsync(null, cancellationToken),
    };

    /// <summary>Begins an answer to the first who asks, and never ends it.</summary>
    private static async Task StallAsync(TcpListener listener, CancellationToken cancellationToken)
    {
        using var socket = await listener.AcceptSocketAsync(cancellationToken);
        await socket.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<R>"u8.ToArray(), cancellationToken);
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Keys whose successors are at hand.</summary>
    private sealed class RenewedKeys : ICredentialSource
    {
        private int _generation = 1;

        public ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(new AccessKeys($"KEY{_generation}", "secret", $"token{_generation}"));

        public bool Invalidate(AccessKeys refused) => refused.AccessKeyId == $"KEY{_generation}" && _generation++ > 0;

        public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
    }

    private static string Ec2Error(string code, string message) => $"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>";

    private static string TypeXml(string name, string headline, double baseline, double peak) => FormattableString.Invariant(
        $"<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo><networkInfo><networkPerformance>{headline}</networkPerformance><networkCards><item><baselineBandwidthInGbps>{baseline}</baselineBandwidthInGbps><peakBandwidthInGbps>{peak}</peakBandwidthInGbps></item></networkCards></networkInfo></item>");
}
