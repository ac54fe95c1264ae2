using System.Runtime.CompilerServices;
using Floe.Agent.Notices;
using Xunit;

namespace Floe.Tests.Notices;

public sealed class MergedNoticeSourceTests
{
    private static ReclaimNotice Notice(string source) =>
        new(source, ReclaimAction.Terminate, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, "");

    [Fact]
    public async Task Watch_TwoSources_GivesBothAndEndsWithThem()
    {
        var merged = new MergedNoticeSource([new ListSource("a"), new ListSource("b", "c")]);

        var seen = new List<string>();
        await foreach (var notice in merged.WatchAsync(default))
        {
            seen.Add(notice.Source);
        }

        Assert.Equal(["a", "b", "c"], seen.Order());
    }

    [Fact]
    public async Task Watch_ConsumerStops_StopsTheSources()
    {
        var endless = new EndlessSource();
        await foreach (var _ in new MergedNoticeSource([endless, new ListSource("a")]).WatchAsync(default))
        {
            break;
        }

        await endless.Ended.Task;
    }

    [Fact]
    public async Task Watch_SourceThrows_IsNotSilent()
    {
        var merged = new MergedNoticeSource([new ThrowingSource()]);

        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (var _ in merged.WatchAsync(default))
            {
            }
        });
    }

    private sealed class ListSource(params string[] names) : INoticeSource
    {
        public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            foreach (var name in names)
            {
                await Task.Yield();
                yield return Notice(name);
            }
        }
    }

    private sealed class EndlessSource : INoticeSource
    {
        public TaskCompletionSource Ended { get; } = new();

        public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }
            finally
            {
                Ended.TrySetResult();
            }

            yield break;
        }
    }

    private sealed class ThrowingSource : INoticeSource
    {
        public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            throw new InvalidOperationException("broken");
#pragma warning disable CS0162 // An iterator needs a yield.
            yield break;
#pragma warning restore CS0162
        }
    }
}
