using Floe.Agent.Files;
using Floe.Agent.Notices;
using Floe.Linux.Processes;
using Floe.S3;

namespace Floe.Agent.Run;

/// <summary>What SIGTERM means when no reclaim notice is pending.</summary>
public enum TermPolicy
{
    /// <summary>The task gets it: the job was cancelled.</summary>
    Forward,

    /// <summary>The machine is going away: snapshot, then exit.</summary>
    Snapshot,
}

/// <summary>What happens to the task's TCP connections.</summary>
public enum TcpPolicy
{
    /// <summary>Those to the outside are closed on the new machine: the task sees an error and connects again. Those inside the task are kept.</summary>
    Close,

    /// <summary>All are kept, for machines that keep their address.</summary>
    Established,
}

/// <summary>What happens when no snapshot of the key can be restored here.</summary>
public enum RestoreFailurePolicy
{
    /// <summary>The command starts from the beginning when no machine could restore any of them; exit 176 when another one, or another command line, could.</summary>
    Auto,

    /// <summary>The command starts from the beginning.</summary>
    Restart,

    /// <summary>Exit 176.</summary>
    Fail,
}

/// <summary>What happens when the snapshots of a key are of another command, or of one in another working directory.</summary>
public enum OtherCommandPolicy
{
    /// <summary>Exit 2.</summary>
    Fail,

    /// <summary>The command of the snapshots goes on.</summary>
    Resume,
}

/// <summary>What happens after a snapshot was committed and the task is gone from this machine.</summary>
public enum AfterSnapshot
{
    /// <summary>Exit 75, for whoever starts the same command again.</summary>
    Exit,

    /// <summary>Where a notice said that the machine dies, stay until then: AWS Batch retries only what ended with its host. Otherwise exit 75.</summary>
    StayAtNotice,

    /// <summary>Stay until the machine dies, whatever the snapshot was for.</summary>
    Stay,
}

/// <summary>One `floe run`.</summary>
public sealed record RunOptions
{
    public required StoreUrl Store { get; init; }

    public required string Key { get; init; }

    /// <summary>The command and its arguments, byte for byte; the first is the resolved path or name.</summary>
    public required IReadOnlyList<byte[]> Command { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>Who runs the command, and may ask this agent for snapshots besides root; null: whoever runs the agent.</summary>
    public UserIds? User { get; init; }

    public IReadOnlyList<string> Include { get; init; } = [];

    public IReadOnlyList<string> Exclude { get; init; } = [];

    public required FileScopeMode Files { get; init; }

    /// <summary>The task's object-store file system; null: none.</summary>
    public Mounts.MountRequest? Mount { get; init; }

    public TcpPolicy Tcp { get; init; }

    /// <summary>x86-64-v2, v3 or v4: newer features are hidden from the task; null for all that the machine has.</summary>
    public string? CpuBaseline { get; init; }

    public TermPolicy OnTerm { get; init; }

    public RestoreFailurePolicy OnRestoreFailure { get; init; }

    public OtherCommandPolicy IfCommandDiffers { get; init; }

    public AfterSnapshot After { get; init; }

    /// <summary>Keeps the key's snapshots when the task has ended by itself.</summary>
    public bool Keep { get; init; }

    /// <summary>Snapshots kept while the task lives; at least 2, so that there is always one to fall back to.</summary>
    public int KeepSnapshots { get; init; } = 2;

    /// <summary>How long to wait for a lease that another machine holds.</summary>
    public TimeSpan LeaseWait { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Whose metadata service is asked for reclaim notices; null: nobody's.</summary>
    public CloudPlatform? Notices { get; init; } = CloudPlatform.Ec2;

    /// <summary>A file whose appearance is a reclaim notice; null for none.</summary>
    public string? NoticeFile { get; init; }

    public TimeSpan NoticePoll { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The batch job that this run belongs to; null outside of one.</summary>
    public Scheduler.SchedulerIdentity? Scheduler { get; init; }

    /// <summary>Absolute path of the trace; null: beside the snapshots in the store.</summary>
    public string? TraceFile { get; init; }

    /// <summary>The store is this task's alone, so its trace and log lie at its top.</summary>
    public bool OwnsStore { get; init; }

    /// <summary>What this agent has logged, to be kept in a store of its own; null: nowhere.</summary>
    public LogKeeper? Log { get; init; }

    /// <summary>Notices are watched even on a machine that is paid on demand, which gets none.</summary>
    public bool WatchesOnDemand { get; init; }

    /// <summary>
    /// A machine that is still there so long after it was to go (with <see cref="AfterSnapshot.Stay"/> and no notice: after the snapshot) is taken for one that
    /// stays: an agent that stayed gets the task back, and SIGTERM means again what it means without a notice.
    /// </summary>
    public TimeSpan ReturnAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Parent of the agent's private folder.</summary>
    public required string StateDirectory { get; init; }
}
