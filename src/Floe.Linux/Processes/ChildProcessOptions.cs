using System.Runtime.InteropServices;

namespace Floe.Linux.Processes;

/// <summary>A program to start. Strings are bytes without a terminating zero.</summary>
public sealed record ChildProcessOptions
{
    /// <summary>Path of the executable; no search in PATH.</summary>
    public required byte[] Path { get; init; }

    /// <summary>The whole argv, its first entry included.</summary>
    public required IReadOnlyList<byte[]> Arguments { get; init; }

    /// <summary>NAME=value entries; null for this program's own environment.</summary>
    public IReadOnlyList<byte[]>? Environment { get; init; }

    public byte[]? WorkingDirectory { get; init; }

    /// <summary>Makes the child the leader of a new session (setsid).</summary>
    public bool NewSession { get; init; }

    /// <summary>Starts it with the descriptor limit that this program was given, whatever it has made of its own (<see cref="DescriptorLimit"/>).</summary>
    public bool HasGivenDescriptorLimit { get; init; }

    /// <summary>
    /// The child's descriptors: source here, number there. 0, 1 and 2 that are not named stay this program's; all others are closed.
    /// The handles are borrowed.
    /// </summary>
    public IReadOnlyList<(SafeHandle Source, int Target)> Descriptors { get; init; } = [];
}
