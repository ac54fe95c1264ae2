using System.Runtime.CompilerServices;
using Floe.Agent.Notices;
using Floe.Agent.Run;
using Floe.Testing;
using Floe.Testing.Time;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Notices;

public sealed class ReclaimWatchTests : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5);

    private readonly FakeTimeProvider _time = new();
    private readonly ScratchFolder _folder = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<ReclaimNotice> _told = [];

    private string NoticeFile => _folder["notice"];

    /// <summary>SIGTERM comes when the machine is to go already, and the next question is seconds away.</summary>
    [Fact]
    public async Task IsPendingAsync_NoticeThatNobodyAskedForYet_IsPending()
    {
        var watch = await StartAsync();
        Assert.False(await watch.IsPendingAsync());
        await File.WriteAllTextAsync(NoticeFile, "100", TestContext.Current.CancellationToken);
        Assert.True(await watch.IsPendingAsync());
        Assert.Single(_told);
    }

    [Fact]
    public async Task Deadline_MachineIsStillThereLongAfterIt_IsNoMore()
    {
        var watch = await StartAsync();
        await File.WriteAllTextAsync(NoticeFile, "100", TestContext.Current.CancellationToken);
        Assert.True(await watch.IsPendingAsync());
        _time.Advance(TimeSpan.FromSeconds(109));
        Assert.NotNull(watch.Deadline);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(watch.Deadline);
        Assert.False(await watch.IsPendingAsync());
    }

    [Fact]
    public async Task IsPendingAsync_SourceDoesNotAnswer_IsNotWaitedForLong()
    {
        var watch = new ReclaimWatch(TimeSpan.FromSeconds(10), _told.Add, _time, _stop.Token);
        watch.Watch(new SilentSource());
        var asking = watch.IsPendingAsync();
        await _time.WhenTimerStartsAsync(TimeSpan.FromMilliseconds(500), TestContext.Current.CancellationToken);
        Assert.False(asking.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.False(await asking);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _folder.Dispose();
    }

    private async Task<ReclaimWatch> StartAsync()
    {
        var watch = new ReclaimWatch(TimeSpan.FromSeconds(10), _told.Add, _time, _stop.Token);
        watch.Watch(new FileNoticeSource(NoticeFile, s_interval, _time, NullLogger<FileNoticeSource>.Instance));
        await _time.WhenTimerStartsAsync(s_interval, TestContext.Current.CancellationToken);
        return watch;
    }

    private sealed class SilentSource : INoticeSource
    {
        public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            yield break;
        }

        public Task AskNowAsync() => new TaskCompletionSource().Task;
    }
}
