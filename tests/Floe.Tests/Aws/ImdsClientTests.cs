using System.Net;
using System.Net.Sockets;
using Floe.Aws;
using Floe.Testing.Imds;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Tests.Aws;

public sealed class ImdsClientTests
{
    private readonly FakeTimeProvider time = new();

    private ImdsClient Client(ImdsDouble imds, TimeSpan? tokenTtl = null) =>
        new(new ImdsOptions { Endpoint = imds.Endpoint, TokenTtl = tokenTtl ?? TimeSpan.FromHours(6) }, time);

    [Fact]
    public async Task GetSpotInstanceAction_NoNotice_IsNull()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = Client(imds);

        Assert.Null(await client.GetSpotInstanceActionAsync(default));
    }

    [Fact]
    public async Task GetSpotInstanceAction_Notice_CarriesItsTimeAndTheServersClock()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        imds.ClockOffset = TimeSpan.FromMinutes(7);
        imds.SetSpotNotice("stop", time.GetUtcNow() + TimeSpan.FromMinutes(2));
        using var client = Client(imds);

        var action = await client.GetSpotInstanceActionAsync(default);

        Assert.Equal(new SpotInstanceAction("stop", time.GetUtcNow().AddMinutes(2), time.GetUtcNow().AddMinutes(7)), action);
    }

    [Fact]
    public async Task DescribeInstance_Spot_GivesAllParts()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        imds.SetInstance("i-0aa", "r7i.metal-24xl", "on-demand", "us-east-1f");
        using var client = Client(imds);

        Assert.Equal(
            new InstanceDescription("i-0aa", "r7i.metal-24xl", "on-demand", "us-east-1", "us-east-1f"),
            await client.DescribeInstanceAsync(default));
    }

    [Fact]
    public async Task Get_TokenStillGood_IsUsedAgain()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = Client(imds);

        await client.GetInstanceIdAsync(default);
        time.Advance(TimeSpan.FromHours(5));
        await client.GetInstanceIdAsync(default);

        Assert.Equal(1, imds.TokenCount);
    }

    [Fact]
    public async Task Get_TokenNearItsEnd_IsRefreshedWithoutARefusal()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = Client(imds, TimeSpan.FromSeconds(100));

        await client.GetInstanceIdAsync(default);
        time.Advance(TimeSpan.FromSeconds(95));
        await client.GetInstanceIdAsync(default);

        Assert.Equal(2, imds.TokenCount);
        Assert.Equal(2, imds.GetCount);
    }

    [Fact]
    public async Task Get_TokenForgottenByTheService_IsFetchedAnew()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = Client(imds);
        await client.GetInstanceIdAsync(default);
        imds.ForgetTokens();

        Assert.Equal("i-0123456789abcdef0", await client.GetInstanceIdAsync(default));
        Assert.Equal(2, imds.TokenCount);
    }

    [Fact]
    public async Task Get_ManyAtOnce_FetchOneToken()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = Client(imds);

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => client.GetInstanceIdAsync(default)));

        Assert.Equal(1, imds.TokenCount);
    }

    [Theory]
    [InlineData(ImdsFault.ServerError, ImdsErrorKind.ServerError, "500")]
    [InlineData(ImdsFault.Garbage, ImdsErrorKind.Garbage, "not what EC2 documents")]
    [InlineData(ImdsFault.Forbidden, ImdsErrorKind.Refused, "--http-endpoint enabled")]
    [InlineData(ImdsFault.RefuseTokens, ImdsErrorKind.Refused, "401")]
    public async Task Get_Fault_SaysWhatIsWrong(ImdsFault fault, ImdsErrorKind kind, string words)
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        imds.Fault = fault;
        using var client = Client(imds);

        var e = await Assert.ThrowsAsync<ImdsException>(() => client.GetSpotInstanceActionAsync(default));

        Assert.Equal(kind, e.Kind);
        Assert.Contains(words, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public async Task Get_FaultThatPasses_AnswersAgain()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = Client(imds);
        imds.Fault = ImdsFault.RefuseTokens;
        await Assert.ThrowsAsync<ImdsException>(() => client.GetInstanceIdAsync(default));

        imds.Fault = ImdsFault.None;

        Assert.Equal("i-0123456789abcdef0", await client.GetInstanceIdAsync(default));
    }

    [Fact]
    public async Task Get_ServiceNeverAnswers_TimesOutAndNamesTheHopLimit()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        imds.Fault = ImdsFault.Silent;
        using var client = Client(imds);
        var arrived = imds.NextArrivalAsync();
        var answer = client.GetInstanceIdAsync(default);
        await arrived;

        time.Advance(client.Options.RequestTimeout);

        var e = await Assert.ThrowsAsync<ImdsException>(() => answer);
        Assert.Equal(ImdsErrorKind.TimedOut, e.Kind);
        Assert.Contains("--http-put-response-hop-limit 2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_CallerCancels_IsACancellation()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        imds.Fault = ImdsFault.Silent;
        using var client = Client(imds);
        using var cancel = new CancellationTokenSource();
        var arrived = imds.NextArrivalAsync();
        var answer = client.GetInstanceIdAsync(cancel.Token);
        await arrived;

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
    }

    [Fact]
    public async Task Get_NobodyListens_IsUnreachable()
    {
        using var holder = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        // Bound but not listening: nothing else can take the port, and every connection is refused.
        holder.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var endpoint = new Uri($"http://{holder.LocalEndPoint}");
        using var client = new ImdsClient(new ImdsOptions { Endpoint = endpoint }, time);

        var e = await Assert.ThrowsAsync<ImdsException>(() => client.GetInstanceIdAsync(default));

        Assert.Equal(ImdsErrorKind.Unreachable, e.Kind);
        Assert.Contains("not an EC2 instance", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\0\u0001garbage\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nab")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("")]
    public async Task Get_ServerSpeaksNonsense_IsAnImdsException(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        using var stop = new CancellationTokenSource();
        listener.Start();
        var serving = ServeAsync();
        using var client = new ImdsClient(new ImdsOptions { Endpoint = new Uri($"http://{listener.LocalEndpoint}") }, time);

        await Assert.ThrowsAsync<ImdsException>(() => client.GetSpotInstanceActionAsync(default));
        await stop.CancelAsync();
        await serving;

        // HttpClient tries again by itself where it got no byte at all.
        async Task ServeAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using var connection = await listener.AcceptSocketAsync(stop.Token);
                    await connection.ReceiveAsync(new byte[4096], stop.Token);
                    await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes(answer), stop.Token);
                    connection.Shutdown(SocketShutdown.Both);
                }
                catch (Exception e) when (e is OperationCanceledException or SocketException)
                {
                    // The client has gone, or the test is over.
                }
            }
        }
    }

    [Fact]
    public async Task Get_Disabled_AsksNothing()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = new ImdsClient(new ImdsOptions { Endpoint = imds.Endpoint, Disabled = true }, time);

        var e = await Assert.ThrowsAsync<ImdsException>(() => client.GetInstanceIdAsync(default));

        Assert.Equal(ImdsErrorKind.Disabled, e.Kind);
        Assert.Equal(0, imds.TokenCount);
    }

    [Fact]
    public async Task Get_EndlessAnswer_IsCutOff()
    {
        await using var imds = await ImdsDouble.StartAsync(time);
        imds.SpotInstanceActionText = new string('{', 10_000_000);
        using var client = Client(imds);

        Assert.Equal(ImdsErrorKind.Garbage, (await Assert.ThrowsAsync<ImdsException>(() => client.GetSpotInstanceActionAsync(default))).Kind);
    }
}
