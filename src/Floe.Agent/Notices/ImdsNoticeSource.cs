using System.Runtime.CompilerServices;
using Floe.Aws;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Notices;

/// <summary>
/// Polls IMDSv2 for the Spot notice. Off EC2 the first failures are cheap (a second each) and then it asks twice a minute; on EC2, where it has
/// answered once, it never slows down, because a notice missed for half a minute is a quarter of the time there is.
/// </summary>
public sealed partial class ImdsNoticeSource(ImdsClient client, ImdsNoticeOptions options, TimeProvider timeProvider, ILogger<ImdsNoticeSource> logger)
    : INoticeSource
{
    private readonly PollPause _pause = new(timeProvider);
    private SpotInstanceAction? _lastSeen;

    /// <inheritdoc/>
    public Task AskNowAsync() => _pause.AskNowAsync();

    /// <inheritdoc/>
    public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (client.Options.Disabled)
        {
            LogDisabled();
            yield break;
        }

        var knowsLifeCycle = options.WatchesOnDemand;
        var isOnDemand = false;
        var everAnswered = false;
        var failuresInARow = 0;
        while (true)
        {
            ReclaimNotice? notice = null;
            try
            {
                if (!knowsLifeCycle)
                {
                    isOnDemand = await client.GetInstanceLifeCycleAsync(cancellationToken).ConfigureAwait(false) == "on-demand";
                    knowsLifeCycle = true;
                }

                var action = await client.GetSpotInstanceActionAsync(cancellationToken).ConfigureAwait(false);
                if (failuresInARow > 0)
                {
                    LogRecovered(failuresInARow);
                }

                everAnswered = true;
                failuresInARow = 0;
                // What nobody waits for any more is for the next watch.
                cancellationToken.ThrowIfCancellationRequested();

                // The same notice is served until the machine is gone; a changed time or action is a new one.
                if (action is not null && (action.Action, action.Time) != (_lastSeen?.Action, _lastSeen?.Time))
                {
                    _lastSeen = action;
                    notice = SpotDeadline.ToNotice(action, timeProvider.GetUtcNow(), options.PollInterval);
                    if (notice is null)
                    {
                        LogLeftOver(action.Action, action.Time);
                    }
                }
            }
            catch (ImdsException e)
            {
                // An answer, if only a bad one, shows that the service is there.
                everAnswered |= e.Kind is ImdsErrorKind.Garbage or ImdsErrorKind.ServerError;
                failuresInARow++;
                if (failuresInARow == options.FailuresBeforeSlowPoll)
                {
                    // Nobody there is the ordinary case off EC2; somebody who does not answer means notices that will be missed.
                    var level = everAnswered || e.Kind != ImdsErrorKind.Unreachable ? LogLevel.Warning : LogLevel.Information;
                    LogUnavailable(level, e.Message);
                }
                else
                {
                    LogPollFailed(e.Message);
                }
            }

            if (isOnDemand)
            {
                LogOnDemand();
                yield break;
            }

            if (notice is not null)
            {
                yield return notice;
            }

            var interval = !everAnswered && failuresInARow >= options.FailuresBeforeSlowPoll ? options.OffEc2PollInterval : options.PollInterval;
            await _pause.WaitAsync(interval, cancellationToken).ConfigureAwait(false);
        }
    }

    [LoggerMessage(EventId = 4100, Level = LogLevel.Information, Message = "Spot notices are not watched: AWS_EC2_METADATA_DISABLED=true")]
    private partial void LogDisabled();

    [LoggerMessage(EventId = 4105, Level = LogLevel.Information,
        Message = "This instance is paid on demand and is not reclaimed: no notice is watched for, and no snapshot is taken unless 'floe snapshot' asks (--notices=ec2 watches all the same)")]
    private partial void LogOnDemand();

    [LoggerMessage(EventId = 4101, Message = "Spot notices are not to be had at the moment, Floe keeps asking: {Reason}")]
    private partial void LogUnavailable(LogLevel level, string reason);

    [LoggerMessage(EventId = 4102, Level = LogLevel.Debug, Message = "Poll for a Spot notice failed: {Reason}")]
    private partial void LogPollFailed(string reason);

    [LoggerMessage(EventId = 4103, Level = LogLevel.Information, Message = "The metadata service answers again after {Failures} failed polls")]
    private partial void LogRecovered(int failures);

    [LoggerMessage(EventId = 4104, Level = LogLevel.Warning,
        Message = "A Spot notice is left over from the past ({Action} at {Time}) and is not acted on: this machine has outlived it")]
    private partial void LogLeftOver(string action, DateTimeOffset? time);
}
