namespace Floe.Criu.Dump;

/// <summary>What to dump and how.</summary>
public sealed record DumpRequest
{
    /// <summary>Root of the tree.</summary>
    public required int RootPid { get; init; }

    /// <summary>
    /// An existing folder of mode 0700 for sockets and CRIU's log; nothing else is written there. Its path must be short:
    /// at most <see cref="CriuLimits.MaxWorkDirectoryBytes"/> bytes.
    /// </summary>
    public required string WorkDirectory { get; init; }

    /// <summary>The floe program, which CRIU starts again as its hook. Its Main must call <see cref="Hook.ActionHook.RunIfInvoked"/> first.</summary>
    public string HookProgram { get; init; } = Environment.ProcessPath ?? throw new InvalidOperationException("this program has no path");

    public TcpMode Tcp { get; init; } = TcpMode.Close;

    public CpuCheck Cpu { get; init; } = CpuCheck.Full;

    /// <summary>The tree runs on after the dump instead of being killed.</summary>
    public bool LeaveRunning { get; init; }

    /// <summary>Largest unlinked file that travels inside the images, in bytes.</summary>
    public long GhostLimitBytes { get; init; } = CriuLimits.GhostBytes;

    /// <summary>How long CRIU may try to freeze the tree before it gives up and lets it go.</summary>
    public TimeSpan FreezeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Further CRIU options (<c>--external …</c>), verbatim.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];
}

/// <summary>What becomes of TCP connections.</summary>
public enum TcpMode
{
    /// <summary>They are closed in the restored task, which sees a connection error. The only choice across machines for outside peers.</summary>
    Close,

    /// <summary>
    /// Those with both ends inside the task are carried along, the others closed. Such a dump is restored as <see cref="Established"/>: the images say
    /// what is closed (<see cref="Images.OutsideConnections"/>).
    /// </summary>
    Inside,

    /// <summary>All are carried along; right where a machine keeps its address.</summary>
    Established,
}

/// <summary>What CRIU records and checks of the CPU.</summary>
public enum CpuCheck
{
    None,

    /// <summary><c>--cpu-cap=fpu,ins</c>: the restoring CPU must have every instruction of the dumping one (<c>cpu</c> would demand the very same CPU).</summary>
    Full,
}

/// <summary>Limits of CRIU and the kernel.</summary>
public static class CriuLimits
{
    /// <summary>sun_path holds 108 bytes with its terminator; the longest socket name here is 24 with its slash.</summary>
    public const int MaxWorkDirectoryBytes = 80;

    /// <summary>
    /// No limit in effect: unlinked files are streamed like memory. CRIU wants a number; where it keeps 32 bits of it, all of this one's are ones.
    /// </summary>
    public const long GhostBytes = (1L << 40) - 1;
}

/// <summary>A dump that went through: the callback has succeeded and the tree is dead, or runs on if that was asked for.</summary>
/// <param name="Frozen">How long the tree stood still, by CRIU's own clock; with a <paramref name="Note"/>, CRIU's whole run.</param>
/// <param name="LogPath">CRIU's log.</param>
/// <param name="Note">Null, or what went wrong after the callback had succeeded: CRIU ended badly (the tree was then ended by Floe), or left no statistics.</param>
public sealed record DumpOutcome(TimeSpan Frozen, string LogPath, string? Note);
