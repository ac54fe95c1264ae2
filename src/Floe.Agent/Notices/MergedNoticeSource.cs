using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Floe.Agent.Notices;

/// <summary>Several sources as one: notices in the order in which they become known. Ends when all have ended.</summary>
public sealed class MergedNoticeSource(IReadOnlyList<INoticeSource> sources) : INoticeSource
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var channel = Channel.CreateBounded<ReclaimNotice>(new BoundedChannelOptions(16) { SingleReader = true });
        var pumps = Task.WhenAll(sources.Select(source => PumpAsync(source, channel.Writer, stop.Token)));
        var completion = CompleteAsync(pumps, channel.Writer);
        try
        {
            await foreach (var notice in channel.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return notice;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await completion.ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public Task AskNowAsync() => Task.WhenAll(sources.Select(source => source.AskNowAsync()));

    private static async Task PumpAsync(INoticeSource source, ChannelWriter<ReclaimNotice> writer, CancellationToken cancellationToken)
    {
        await foreach (var notice in source.WatchAsync(cancellationToken).ConfigureAwait(false))
        {
            await writer.WriteAsync(notice, cancellationToken).ConfigureAwait(false);
        }
    }

    // A source that throws all the same ends the merge with its error: better a loud watcher than one that is silently deaf.
    private static async Task CompleteAsync(Task pumps, ChannelWriter<ReclaimNotice> writer)
    {
        try
        {
            await pumps.ConfigureAwait(false);
            writer.Complete();
        }
        catch (Exception e)
        {
            writer.Complete(e);
        }
    }
}
