namespace Floe.Agent.Notices;

/// <summary>How often the metadata service is asked.</summary>
public sealed record ImdsNoticeOptions
{
    public static readonly TimeSpan MinPollInterval = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan MaxPollInterval = TimeSpan.FromSeconds(5);

    private readonly TimeSpan pollInterval = TimeSpan.FromSeconds(2);

    /// <summary>1 s to 5 s; EC2 advises at least every 5 s.</summary>
    public TimeSpan PollInterval
    {
        get => pollInterval;
        init => pollInterval = value >= MinPollInterval && value <= MaxPollInterval
            ? value
            : throw new ArgumentOutOfRangeException(
                nameof(value), $"the notice poll interval must be 1 s to 5 s, not {value.TotalSeconds:0.###} s.");
    }

    /// <summary>Between attempts where the service has never answered: most likely not an EC2 instance.</summary>
    public TimeSpan OffEc2PollInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Failures in a row, with no answer ever, after which the slow interval is taken.</summary>
    public int FailuresBeforeSlowPoll { get; init; } = 3;

    /// <summary>An instance that is paid on demand gets no Spot notice, so it is left alone, unless it is asked for.</summary>
    public bool WatchesOnDemand { get; init; }
}
