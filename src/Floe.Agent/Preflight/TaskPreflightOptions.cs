using Floe.Criu.Dump;

namespace Floe.Agent.Preflight;

public sealed record TaskPreflightOptions
{
    /// <summary>Root of the tree to look at, in this process's pid namespace.</summary>
    public required int RootPid { get; init; }

    /// <summary>CRIU's --ghost-limit: unlinked open files larger than this cannot be dumped.</summary>
    public long GhostLimitBytes { get; init; } = CriuLimits.GhostBytes;

    /// <summary>--tcp=established: connections are kept; false for --tcp=close.</summary>
    public bool TcpEstablished { get; init; }

    /// <summary>Whether a snapshot carries, or a shared file system keeps, what is written to this path; null: everything.</summary>
    public Func<string, bool>? IsPathCarried { get; init; }

    /// <summary>Inodes of pipes whose other end the agent holds: stdout and stderr.</summary>
    public IReadOnlySet<ulong> AgentPipeInodes { get; init; } = new HashSet<ulong>();

    /// <summary>Replaceable for tests.</summary>
    public string ProcRoot { get; init; } = "/proc";
}
