using Floe.Agent.Cpu;
using Floe.Aws;

namespace Floe.Agent.Preflight;

/// <summary>One check that another room makes: of CRIU, of the store. An exception becomes a failed check with its message.</summary>
public delegate Task<CheckResult> ExternalCheck(CancellationToken cancellationToken);

public sealed record PreflightOptions
{
    /// <summary>Where logs and working files go; free space is measured on the file system that holds it or its first existing parent.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Less than this free is a warning.</summary>
    public long MinFreeBytes { get; init; } = 256L << 20;

    /// <summary>CRIU there and its version, <c>criu check</c>; the store within reach; in this order after the own checks.</summary>
    public IReadOnlyList<(string Name, ExternalCheck Check)> ExternalChecks { get; init; } = [];

    /// <summary>Null: the metadata service is not asked.</summary>
    public ImdsClient? Imds { get; init; }

    /// <summary>The baseline that tasks are to be started with.</summary>
    public CpuBaseline? Baseline { get; init; }

    /// <summary>Null: this machine's. Replaceable for tests.</summary>
    public CpuFeatures? Cpu { get; init; }

    /// <summary>The task is to run as another user than this process.</summary>
    public bool IsForOtherUser { get; init; }

    /// <summary>Replaceable for tests.</summary>
    public string ProcRoot { get; init; } = "/proc";

    /// <summary>Replaceable for tests.</summary>
    public string DevRoot { get; init; } = "/dev";
}
