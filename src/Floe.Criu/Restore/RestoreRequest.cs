using System.Runtime.InteropServices;
using Floe.Criu.Dump;

namespace Floe.Criu.Restore;

/// <summary>How to restore. The options that a dump has too must be the same ones.</summary>
public sealed record RestoreRequest
{
    /// <summary>An existing folder of mode 0700 for sockets and CRIU's log, with a short path, as for a dump.</summary>
    public required string WorkDirectory { get; init; }

    /// <summary>The floe program, as for a dump.</summary>
    public string HookProgram { get; init; } = Environment.ProcessPath ?? throw new InvalidOperationException("this program has no path");

    /// <summary>
    /// Descriptors that take the place of files of the dumped task: the handle here, and CRIU's name of the file there,
    /// <c>pipe:[INODE]</c> for a pipe of the old agent. The handles are borrowed.
    /// </summary>
    public IReadOnlyList<(SafeHandle Handle, string Resource)> InheritDescriptors { get; init; } = [];

    /// <summary>Called with the pid of the tree's root when CRIU has ended well and nothing runs yet; a tree for which it throws is not let run.</summary>
    public Action<int>? BeforeItRuns { get; init; }

    public TcpMode Tcp { get; init; } = TcpMode.Close;

    public CpuCheck Cpu { get; init; } = CpuCheck.Full;

    /// <summary>Further CRIU options, verbatim.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];
}
