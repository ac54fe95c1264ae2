namespace Floe.Agent.Notices;

/// <summary>What happens to the machine at the deadline.</summary>
public enum ReclaimAction
{
    Terminate,
    Stop,
    Hibernate,
    /// <summary>A word that Floe does not know; treated like the others: the machine is lost.</summary>
    Other,
}

/// <summary>
/// This machine is taken away. <see cref="Deadline"/> is on this machine's clock, corrected for a difference to the notifier's clock,
/// and never before the moment of reception: a notice that comes late leaves no time, not negative time.
/// </summary>
/// <param name="Source">Who says so, for messages: "EC2 Spot".</param>
/// <param name="Received">When Floe learned of it.</param>
/// <param name="Detail">One line for the log: what was stated and what was made of it.</param>
public sealed record ReclaimNotice(string Source, ReclaimAction Action, DateTimeOffset Deadline, DateTimeOffset Received, string Detail)
{
    /// <summary>Time left to commit; zero when the deadline has passed.</summary>
    public TimeSpan Remaining(DateTimeOffset now) => Deadline > now ? Deadline - now : TimeSpan.Zero;
}
