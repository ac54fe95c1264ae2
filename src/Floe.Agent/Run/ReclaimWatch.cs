using System.Collections.Concurrent;
using Floe.Agent.Notices;

namespace Floe.Agent.Run;

/// <summary>What is known of this machine being taken away.</summary>
/// <param name="outlivedAfter">A machine that is still there so long after a notice's deadline stays.</param>
/// <param name="onNotice">Called for each notice when <see cref="Deadline"/> tells it already.</param>
internal sealed class ReclaimWatch(TimeSpan outlivedAfter, Action<ReclaimNotice> onNotice, TimeProvider time, CancellationToken stop)
{
    // What a metadata service needs is a few milliseconds.
    private static readonly TimeSpan s_askPatience = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<INoticeSource, bool> _watched = new();
    private volatile ReclaimNotice? _notice;

    /// <summary>The deadline of the notice that is pending; null when none is, or when the machine has outlived it.</summary>
    public DateTimeOffset? Deadline => _notice?.Deadline is { } deadline && time.GetUtcNow() < deadline + outlivedAfter ? deadline : null;

    /// <summary>Passes the notices of a source on until the watch is stopped.</summary>
    public void Watch(INoticeSource source)
    {
        _watched[source] = true;
        _ = PassOnAsync(source);
    }

    /// <summary>
    /// Whether a notice is pending. SIGTERM may overtake the notice that is its reason: then the sources know of it, and only nobody has asked since. So they
    /// are asked once more, for half a second at the most.
    /// </summary>
    public async Task<bool> IsPendingAsync()
    {
        if (Deadline is null && !_watched.IsEmpty)
        {
            var asked = Task.WhenAll(_watched.Keys.Select(source => source.AskNowAsync()));
            await Task.WhenAny(asked, Task.Delay(s_askPatience, time, stop)).ConfigureAwait(false);
        }

        return Deadline is not null;
    }

    private async Task PassOnAsync(INoticeSource source)
    {
        try
        {
            await foreach (var notice in source.WatchAsync(stop).ConfigureAwait(false))
            {
                _notice = notice;
                onNotice(notice);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        finally
        {
            _watched.TryRemove(source, out _);
        }
    }
}
