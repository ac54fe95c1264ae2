namespace Floe.Testing.Machines;

/// <summary>What kind of place a command of the machine finds itself in.</summary>
public enum MachineKind
{
    /// <summary>As in a container: each started command is pid 1 of its own pid, IPC, UTS and mount namespace.</summary>
    Container,

    /// <summary>As on a plain host: commands run beside an init that they did not start.</summary>
    Host,
}

/// <param name="Source">A file or folder of the host.</param>
/// <param name="Target">Absolute path in the machine.</param>
public readonly record struct MachineBind(string Source, string Target, bool ReadOnly = false);

public sealed record MachineOptions
{
    public MachineKind Kind { get; init; } = MachineKind.Container;

    public string HostName { get; init; } = "machine";

    /// <summary>The folder below the machine's own overlay; null for the host's system folders.</summary>
    public string? RootFileSystem { get; init; }

    /// <summary>A folder of the host that the machine sees as /store.</summary>
    public string? Store { get; init; }

    /// <summary>Where the machine sees the bundle (read-only); null for no bundle.</summary>
    public string? BundleAt { get; init; } = "/opt/floe";

    public IReadOnlyList<MachineBind> Binds { get; init; } = [];

    /// <summary>Own network with only a loopback; otherwise the host's, so that servers on its 127.0.0.1 are reached.</summary>
    public bool OwnNetwork { get; init; }
}
