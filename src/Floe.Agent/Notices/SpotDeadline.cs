using Floe.Aws;

namespace Floe.Agent.Notices;

/// <summary>Turns the stated time of a Spot notice into a deadline on this machine's clock, whatever was stated.</summary>
internal static class SpotDeadline
{
    /// <summary>The warning time that EC2 promises.</summary>
    public static readonly TimeSpan NoticeWindow = TimeSpan.FromMinutes(2);

    /// <summary>A notice further away than this contradicts EC2's two minutes and is not believed.</summary>
    public static readonly TimeSpan MaxAhead = TimeSpan.FromHours(1);

    /// <summary>A machine that lives this long after its stated end was not taken: the notice is left over.</summary>
    public static readonly TimeSpan MaxPast = TimeSpan.FromMinutes(10);

    /// <summary>Clocks closer than this count as equal: the Date header has whole seconds and the answer takes a moment.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(2);

    /// <summary>Null when the notice is left over from the past and no machine is taken.</summary>
    /// <param name="pollInterval">The notice may be this old already.</param>
    public static ReclaimNotice? ToNotice(SpotInstanceAction action, DateTimeOffset now, TimeSpan pollInterval)
    {
        var (deadline, remark) = Compute(action, now, pollInterval);
        if (deadline is not { } time)
        {
            return null;
        }

        var reclaimAction = action.Action.ToLowerInvariant() switch
        {
            "terminate" => ReclaimAction.Terminate,
            "stop" => ReclaimAction.Stop,
            "hibernate" => ReclaimAction.Hibernate,
            _ => ReclaimAction.Other,
        };
        var word = reclaimAction == ReclaimAction.Other ? "reclaim" : action.Action.ToLowerInvariant();
        var stated = action.Time is { } t ? $"{t.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}" : "an unreadable time";
        return new ReclaimNotice("EC2 Spot", reclaimAction, time, now, $"{word} at {stated}{remark}");
    }

    private static (DateTimeOffset? Deadline, string Remark) Compute(SpotInstanceAction action, DateTimeOffset now, TimeSpan pollInterval)
    {
        var assumed = now + NoticeWindow - pollInterval;
        if (action.Time is not { } stated)
        {
            return (assumed, "; the usual two minutes are assumed");
        }

        // The stated time is by EC2's clock. What counts is how far away it is, so a wrong clock here must not eat the window or stretch it.
        var reference = now;
        var remark = "";
        if (action.ServerTime is { } serverTime && (serverTime - now).Duration() > ClockTolerance)
        {
            reference = serverTime;
            remark = $"; this machine's clock is {(now - serverTime).TotalSeconds:+0;-0} s off";
        }

        var ahead = stated - reference;
        if (ahead < -MaxPast)
        {
            return (null, remark);
        }

        if (ahead > MaxAhead)
        {
            return (assumed, remark + "; too far away to be true, two minutes are assumed");
        }

        return (ahead > TimeSpan.Zero ? now + ahead : now, ahead > TimeSpan.Zero ? remark : remark + "; that has passed already");
    }
}
