using System.Net;
using System.Threading.Channels;
using Floe.Agent.Notices;
using Floe.Testing;
using Floe.Testing.Time;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Notices;

/// <summary>Google Cloud's and Azure's services as doubles on a real socket, and the notice file; on a clock that the test moves.</summary>
public sealed class CloudNoticeTests : IAsyncLifetime
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);

    private readonly FakeTimeProvider _time = new();
    private readonly Channel<ReclaimNotice> _notices = Channel.CreateUnbounded<ReclaimNotice>();
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, string> _answers = [];
    private WebApplication _service = null!;
    private Task _watching = Task.CompletedTask;
    private MetadataService? _client;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(o => o.Listen(IPAddress.Loopback, 0));
        _service = builder.Build();
        _service.Run(async context =>
        {
            var path = context.Request.Path + context.Request.QueryString;
            var isGoogle = context.Request.Headers["Metadata-Flavor"] == "Google";
            string? answer;
            lock (_answers)
            {
                answer = _answers.GetValueOrDefault(path);
            }

            if (answer is null || (!isGoogle && context.Request.Headers["Metadata"] != "true"))
            {
                context.Response.StatusCode = 403;
                return;
            }

            if (isGoogle)
            {
                context.Response.Headers["Metadata-Flavor"] = "Google";
            }

            await context.Response.WriteAsync(answer);
        });
        await _service.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching.ContinueWith(_ => { }, TaskScheduler.Default);
        _client?.Dispose();
        await _service.DisposeAsync();
        _stop.Dispose();
    }

    private string Address => new Uri(_service.Urls.First()).Authority;

    [Fact]
    public async Task Gce_Preempted_IsToldOnceWithThirtySeconds()
    {
        const string Path = "/computeMetadata/v1/instance/preempted";
        Answer(Path, "FALSE\n");
        _client = GceNoticeSource.Service(name => name == "GCE_METADATA_HOST" ? Address : null);
        Watch(new GceNoticeSource(_client, s_interval, _time, NullLogger<GceNoticeSource>.Instance));
        await NextPollAsync();
        Assert.False(_notices.Reader.TryRead(out _));
        Answer(Path, "TRUE");
        await NextPollAsync();
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.True(_notices.Reader.TryRead(out var notice));
        Assert.Equal((GceNoticeSource.NoticeWindow - s_interval, "Google Cloud"), (notice.Deadline - notice.Received, notice.Source));
        _time.Advance(s_interval);
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.False(_notices.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Azure_PreemptOfThisMachine_HasItsTime()
    {
        Answer("/metadata/instance/compute/name?api-version=2021-02-01&format=text", "set_3");
        var time = _time.GetUtcNow() + TimeSpan.FromSeconds(45);
        Answer("/metadata/scheduledevents?api-version=2020-07-01", $$"""
            {"DocumentIncarnation":1,"Events":[
             {"EventId":"a","EventType":"Preempt","Resources":["set_1"],"NotBefore":"{{time:R}}"},
             {"EventId":"b","EventType":"Reboot","Resources":["set_3"],"NotBefore":"{{time:R}}"},
             {"EventId":"c","EventType":"Preempt","Resources":["set_3"],"NotBefore":"{{time:R}}","DurationInSeconds":-1}]}
            """);
        _client = AzureNoticeSource.Service(name => name == "FLOE_AZURE_METADATA_ENDPOINT" ? $"http://{Address}" : null);
        Watch(new AzureNoticeSource(_client, s_interval, _time, NullLogger<AzureNoticeSource>.Instance));
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.True(_notices.Reader.TryRead(out var notice));
        Assert.Equal(time.ToUnixTimeSeconds(), notice.Deadline.ToUnixTimeSeconds());
        Assert.False(_notices.Reader.TryRead(out _));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("<html>")]
    [InlineData("{\"Events\":[]}")]
    public async Task Azure_NothingOrGarbage_IsNoNotice(string events)
    {
        Answer("/metadata/instance/compute/name?api-version=2021-02-01&format=text", "vm");
        Answer("/metadata/scheduledevents?api-version=2020-07-01", events);
        _client = AzureNoticeSource.Service(name => name == "FLOE_AZURE_METADATA_ENDPOINT" ? $"http://{Address}/" : null);
        Watch(new AzureNoticeSource(_client, s_interval, _time, NullLogger<AzureNoticeSource>.Instance));
        await NextPollAsync();
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.False(_notices.Reader.TryRead(out _));
    }

    [Theory]
    [InlineData("", 118)]
    [InlineData("30\n", 30)]
    public async Task File_Appears_IsANoticeWithItsSeconds(string content, int seconds)
    {
        using var folder = new ScratchFolder();
        Watch(new FileNoticeSource(folder["notice"], s_interval, _time, NullLogger<FileNoticeSource>.Instance));
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.False(_notices.Reader.TryRead(out _));
        File.WriteAllText(folder["notice"], content);
        _time.Advance(s_interval);
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.True(_notices.Reader.TryRead(out var notice));
        Assert.Equal(seconds, (notice.Deadline - notice.Received).TotalSeconds);
    }

    /// <summary>The task's next life on a machine that has outlived the notice: nobody has removed the file, and it is no news.</summary>
    [Fact]
    public async Task File_WatchedAgain_IsToldOnlyWhenItIsWrittenAnew()
    {
        using var folder = new ScratchFolder();
        var source = new FileNoticeSource(folder["notice"], s_interval, _time, NullLogger<FileNoticeSource>.Instance);
        File.WriteAllText(folder["notice"], "");
        using (var firstLife = new CancellationTokenSource())
        {
            await using var first = source.WatchAsync(firstLife.Token).GetAsyncEnumerator();
            Assert.True(await first.MoveNextAsync());
            var more = first.MoveNextAsync();
            await firstLife.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await more);
        }

        Watch(source);
        await NextPollAsync();
        await _time.WhenTimerStartsAsync(s_interval);
        Assert.False(_notices.Reader.TryRead(out _));
        File.WriteAllText(folder["notice"], "30");
        _time.Advance(s_interval);
        var notice = await _notices.Reader.ReadAsync();
        Assert.Equal(30, (notice.Deadline - notice.Received).TotalSeconds);
    }

    [Theory]
    [InlineData("product_name", "Google Compute Engine\n", CloudPlatform.Gce)]
    [InlineData("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n", CloudPlatform.Azure)]
    [InlineData("product_name", "c6i.8xlarge", CloudPlatform.Ec2)]
    [InlineData("nothing", "", CloudPlatform.Ec2)]
    public void Detect_Firmware_TellsTheCloud(string file, string content, CloudPlatform expected) =>
        Assert.Equal(expected, CloudPlatforms.Detect(name => name == file ? content : null));

    private void Answer(string path, string text)
    {
        lock (_answers)
        {
            _answers[path] = text;
        }
    }

    private void Watch(PolledNoticeSource source) => _watching = Task.Run(async () =>
    {
        await foreach (var notice in source.WatchAsync(_stop.Token))
        {
            _notices.Writer.TryWrite(notice);
        }
    });

    private async Task NextPollAsync()
    {
        await _time.WhenTimerStartsAsync(s_interval);
        _time.Advance(s_interval);
    }
}
