namespace Floe.Store;

/// <summary>What the task is, and the options of Floe that its continuation must keep.</summary>
public sealed record TaskFacts
{
    public required IReadOnlyList<string> Command { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>Pid of the task tree's root (its init) inside the task's pid namespace.</summary>
    public required int RootPid { get; init; }

    /// <summary>Highest pid in use, so that a restore can start new pids above it.</summary>
    public required int HighestPid { get; init; }

    public StdioPipes Stdio { get; init => field = value ?? new(); } = new();

    /// <summary>Options of Floe by name (tcp, cpuBaseline, fileScope, …) as the agent understands them.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}

/// <summary>CRIU's names (<c>pipe:[INODE]</c>) of the pipes behind the standard descriptors; null when one is none of the agent's.</summary>
public sealed record StdioPipes(string? Stdin = null, string? Stdout = null, string? Stderr = null);

/// <summary>The machine that took the snapshot: what a restore compares its own machine with before it downloads anything.</summary>
public sealed record MachineFacts
{
    public required string HostName { get; init; }

    /// <summary>As <c>uname -m</c>: x86_64, aarch64.</summary>
    public required string Architecture { get; init; }

    public required string KernelRelease { get; init; }

    public required string CriuVersion { get; init; }

    public string CpuVendor { get; init => field = value ?? ""; } = "";

    public string CpuModel { get; init => field = value ?? ""; } = "";

    public IReadOnlyList<string> CpuFeatures { get; init => field = value ?? []; } = [];

    /// <summary>Size of the XSAVE area with the enabled state components, in bytes; 0 where there is none. A restored task needs one as large.</summary>
    public int CpuXsaveBytes { get; init; }

    /// <summary>The same with all components that the CPU supports.</summary>
    public int CpuXsaveMaxBytes { get; init; }

    /// <summary>The feature level the task was held to (x86-64-v2, -v3, -v4); null when it may use the whole CPU.</summary>
    public string? CpuBaseline { get; init; }

    public IReadOnlyList<string> Capabilities { get; init => field = value ?? []; } = [];

    /// <summary>The container image's, as FLOE_IMAGE_DIGEST gave it, compared as text; null when nothing did, and then no image is refused.</summary>
    public string? ImageDigest { get; init; }

    /// <summary>Memory that the agent's runtime found to be had, in bytes: the machine's, or less where the container has a limit. For people.</summary>
    public long MemoryBytes { get; init; }

    public string BootId { get; init => field = value ?? ""; } = "";
}

/// <summary>How long the phases of a snapshot took, in milliseconds. Those of the store's own phases are filled in at the commit.</summary>
public sealed record SnapshotTimings
{
    /// <summary>From the start of the dump until the tree stood still and CRIU had told its structure.</summary>
    public long DumpMillis { get; init; }

    /// <summary>Reading files, and what of the memory was not read by then: that begins while CRIU still tells the structure.</summary>
    public long CaptureMillis { get; init; }

    /// <summary>From the first pack's upload until the last is durable; overlaps the capture. Filled in at the commit.</summary>
    public long UploadMillis { get; init; }

    /// <summary>From the call of the commit until just before the manifest is sent. Filled in at the commit.</summary>
    public long CommitMillis { get; init; }
}
