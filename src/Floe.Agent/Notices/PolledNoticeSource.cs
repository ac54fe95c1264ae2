using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Notices;

/// <summary>
/// A source that is asked again and again. Faults are waited out; where it has never answered it is asked only twice a minute, because
/// then it is most likely not there at all.
/// </summary>
public abstract partial class PolledNoticeSource(string name, TimeSpan interval, TimeProvider time, ILogger logger) : INoticeSource
{
    private static readonly TimeSpan s_slowInterval = TimeSpan.FromSeconds(30);
    private const int FailuresBeforeSlow = 3;

    private readonly PollPause _pause = new(time);
    private readonly ConcurrentDictionary<string, bool> _told = new(StringComparer.Ordinal);

    protected string Name => name;

    /// <summary>Time from one question to the next: a notice may be this old already.</summary>
    protected TimeSpan Interval => interval;

    protected TimeProvider Time => time;

    /// <inheritdoc/>
    public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var everAnswered = false;
        var failures = 0;
        while (true)
        {
            IReadOnlyList<(string Id, ReclaimNotice Notice)> pending = [];
            try
            {
                pending = await AskAsync(cancellationToken).ConfigureAwait(false);
                everAnswered = true;
                failures = 0;
            }
            catch (NoticeSourceException e)
            {
                if (++failures == FailuresBeforeSlow)
                {
                    LogUnavailable(everAnswered ? LogLevel.Warning : LogLevel.Information, name, e.Message);
                }
            }

            // What nobody waits for any more is for the next watch.
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var (id, notice) in pending)
            {
                if (_told.TryAdd(id, true))
                {
                    yield return notice;
                }
            }

            await _pause.WaitAsync(!everAnswered && failures >= FailuresBeforeSlow ? s_slowInterval : interval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public Task AskNowAsync() => _pause.AskNowAsync();

    /// <summary>The notices that stand now, each with an id by which it is told once.</summary>
    /// <exception cref="NoticeSourceException">No answer, or none that makes sense.</exception>
    protected abstract Task<IReadOnlyList<(string Id, ReclaimNotice Notice)>> AskAsync(CancellationToken cancellationToken);

    [LoggerMessage(EventId = 4110, Message = "{Source} notices are not to be had at the moment, Floe keeps asking: {Reason}")]
    private partial void LogUnavailable(LogLevel level, string source, string reason);
}

/// <summary>A notice source gave no answer, or none that makes sense.</summary>
public sealed class NoticeSourceException(string message, Exception? inner = null) : Exception(message, inner);
