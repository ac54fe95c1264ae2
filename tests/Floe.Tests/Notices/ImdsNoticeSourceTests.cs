using System.Threading.Channels;
using Floe.Agent.Notices;
using Floe.Aws;
using Floe.Testing.Imds;
using Floe.Testing.Time;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Notices;

/// <summary>The watcher against the double over a real socket, on a clock that the test moves.</summary>
public sealed class ImdsNoticeSourceTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new();
    private readonly ImdsNoticeOptions options = new();
    private readonly Channel<ReclaimNotice> notices = Channel.CreateUnbounded<ReclaimNotice>();
    private readonly CancellationTokenSource stop = new();
    private ImdsDouble imds = null!;
    private ImdsClient client = null!;
    private Task watching = Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        imds = await ImdsDouble.StartAsync(time);
        client = new ImdsClient(new ImdsOptions { Endpoint = imds.Endpoint }, time);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await watching.WaitAsync(CancellationToken.None).ContinueWith(_ => { }, TaskScheduler.Default);
        client.Dispose();
        await imds.DisposeAsync();
        stop.Dispose();
    }

    private void Watch(ImdsClient? other = null) => Watch(new ImdsNoticeSource(other ?? client, options, time, NullLogger<ImdsNoticeSource>.Instance));

    private void Watch(ImdsNoticeSource source)
    {
        watching = Task.Run(async () =>
        {
            await foreach (var notice in source.WatchAsync(stop.Token))
            {
                notices.Writer.TryWrite(notice);
            }
        });
    }

    /// <summary>Until the watcher sleeps, then to the end of its sleep.</summary>
    private async Task NextPollAsync(TimeSpan? interval = null)
    {
        var sleep = interval ?? options.PollInterval;
        await time.WhenTimerStartsAsync(sleep);
        time.Advance(sleep);
    }

    [Fact]
    public async Task Watch_NoticeAppears_IsGivenWithItsDeadline()
    {
        Watch();
        await NextPollAsync();
        await time.WhenTimerStartsAsync(options.PollInterval);
        var deadline = time.GetUtcNow() + TimeSpan.FromSeconds(120);
        imds.SetSpotNotice("terminate", deadline);
        time.Advance(options.PollInterval);

        var notice = await notices.Reader.ReadAsync();

        Assert.Equal(ReclaimAction.Terminate, notice.Action);
        Assert.Equal(deadline, notice.Deadline);
        Assert.Equal(TimeSpan.FromSeconds(118), notice.Remaining(time.GetUtcNow()));
    }

    [Fact]
    public async Task Watch_SameNoticeStays_IsGivenOnceAndAChangedOneAgain()
    {
        var first = time.GetUtcNow() + TimeSpan.FromSeconds(120);
        imds.SetSpotNotice("stop", first);
        Watch();
        await NextPollAsync();
        await NextPollAsync();
        await NextPollAsync();
        await time.WhenTimerStartsAsync(options.PollInterval);
        imds.SetSpotNotice("stop", first.AddSeconds(30));
        time.Advance(options.PollInterval);

        Assert.Equal(first, (await notices.Reader.ReadAsync()).Deadline);
        Assert.Equal(first.AddSeconds(30), (await notices.Reader.ReadAsync()).Deadline);
    }

    /// <summary>The task's next life on a machine that has outlived its notice.</summary>
    [Fact]
    public async Task Watch_Again_SameNoticeIsNoNews()
    {
        var first = time.GetUtcNow() + TimeSpan.FromSeconds(120);
        imds.SetSpotNotice("stop", first);
        var source = new ImdsNoticeSource(client, options, time, NullLogger<ImdsNoticeSource>.Instance);
        using (var firstLife = new CancellationTokenSource())
        {
            await using var told = source.WatchAsync(firstLife.Token).GetAsyncEnumerator();
            Assert.True(await told.MoveNextAsync());
            var more = told.MoveNextAsync();
            await firstLife.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await more);
        }

        Watch(source);
        await NextPollAsync();
        await time.WhenTimerStartsAsync(options.PollInterval);
        imds.SetSpotNotice("stop", first.AddSeconds(30));
        time.Advance(options.PollInterval);
        Assert.Equal(first.AddSeconds(30), (await notices.Reader.ReadAsync()).Deadline);
    }

    [Theory]
    [InlineData(ImdsFault.Garbage)]
    [InlineData(ImdsFault.ServerError)]
    [InlineData(ImdsFault.RefuseTokens)]
    public async Task Watch_AnsweredOnceThenFaults_KeepsItsPaceAndSeesTheNotice(ImdsFault fault)
    {
        Watch();
        await NextPollAsync();
        await time.WhenTimerStartsAsync(options.PollInterval);
        imds.Fault = fault;
        time.Advance(options.PollInterval);
        for (var i = 0; i < 8; i++)
        {
            await NextPollAsync();
        }

        await time.WhenTimerStartsAsync(options.PollInterval);
        imds.Fault = ImdsFault.None;
        imds.SetSpotNotice("terminate", time.GetUtcNow() + TimeSpan.FromSeconds(100));
        time.Advance(options.PollInterval);

        Assert.Equal(ReclaimAction.Terminate, (await notices.Reader.ReadAsync()).Action);
    }

    [Fact]
    public async Task Watch_NeverAnswered_SlowsDownAndStillNoticesALateService()
    {
        imds.Fault = ImdsFault.Forbidden;
        Watch();
        await NextPollAsync();
        await NextPollAsync();
        await NextPollAsync(options.OffEc2PollInterval);
        await time.WhenTimerStartsAsync(options.OffEc2PollInterval);
        imds.Fault = ImdsFault.None;
        time.Advance(options.OffEc2PollInterval);
        await time.WhenTimerStartsAsync(options.PollInterval);
        imds.SetSpotNotice("terminate", time.GetUtcNow() + TimeSpan.FromSeconds(100));
        time.Advance(options.PollInterval);

        Assert.Equal(ReclaimAction.Terminate, (await notices.Reader.ReadAsync()).Action);
    }

    [Fact]
    public async Task Watch_LeftOverNotice_IsNotGivenButTheNextOneIs()
    {
        imds.SetSpotNotice("hibernate", time.GetUtcNow() - TimeSpan.FromHours(3));
        Watch();
        await NextPollAsync();
        await time.WhenTimerStartsAsync(options.PollInterval);
        imds.SetSpotNotice("terminate", time.GetUtcNow() + TimeSpan.FromSeconds(60));
        time.Advance(options.PollInterval);

        Assert.Equal(ReclaimAction.Terminate, (await notices.Reader.ReadAsync()).Action);
    }

    [Fact]
    public async Task Watch_Disabled_EndsAtOnce()
    {
        using var disabled = new ImdsClient(new ImdsOptions { Endpoint = imds.Endpoint, Disabled = true }, time);
        Watch(disabled);

        await watching;

        Assert.False(notices.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Watch_Cancelled_EndsAsACancellation()
    {
        Watch();
        await time.WhenTimerStartsAsync(options.PollInterval);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    [Theory]
    [InlineData(0.9)]
    [InlineData(5.1)]
    public void PollInterval_OutOfRange_IsRefused(double seconds) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new ImdsNoticeOptions { PollInterval = TimeSpan.FromSeconds(seconds) });
}
