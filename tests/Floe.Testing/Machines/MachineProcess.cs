using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Testing.Machines;

/// <summary>How a command in a machine ended.</summary>
public sealed record MachineResult(ExitStatus Status, byte[] Output, string Errors)
{
    public string Text => System.Text.Encoding.UTF8.GetString(Output);
}

/// <summary>A command that runs in a <see cref="Machine"/>.</summary>
public sealed class MachineProcess
{
    private readonly ChildProcess _launcher;
    private readonly string _output;
    private readonly string _errors;

    internal MachineProcess(ChildProcess launcher, int hostPid, string output, string errors)
    {
        _launcher = launcher;
        HostPid = hostPid;
        _output = output;
        _errors = errors;
    }

    /// <summary>The command's pid as the host numbers it.</summary>
    public int HostPid { get; }

    public bool HasExited => _launcher.HasExited;

    /// <summary>Completes with the command's exit status, or the signal that killed it.</summary>
    public Task<ExitStatus> Ended => _launcher.Exited;

    /// <summary>What it has written to stdout so far. Not after the machine was destroyed.</summary>
    public byte[] Output => Read(_output);

    /// <summary>What it has written to stderr so far. Not after the machine was destroyed.</summary>
    public string Errors => System.Text.Encoding.UTF8.GetString(Read(_errors));

    public async Task<MachineResult> WaitAsync(CancellationToken cancellationToken = default)
    {
        var status = await Ended.WaitAsync(cancellationToken);
        return new MachineResult(status, Output, Errors);
    }

    /// <summary>Signals the command itself, as another process of its machine could; false when it has ended.</summary>
    public bool Signal(int signal) => !HasExited && Interop.kill(HostPid, signal) == 0;

    private static byte[] Read(string path)
    {
        // Opened for sharing: the command may be writing.
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var content = new MemoryStream();
        file.CopyTo(content);
        return content.ToArray();
    }
}
