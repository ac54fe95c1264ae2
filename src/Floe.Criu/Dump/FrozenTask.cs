using Floe.Linux;

namespace Floe.Criu.Dump;

/// <summary>
/// A task tree that CRIU holds still. Valid only inside the callback of <see cref="CriuDump.RunAsync"/>.
/// </summary>
public sealed class FrozenTask
{
    private readonly int _tracerPid;
    private readonly Func<string, string> _readStatus;

    internal FrozenTask(int rootPid, int tracerPid, IReadOnlyList<FrozenProcess> processes, long memoryBytes, Func<string, string>? readStatus = null)
    {
        RootPid = rootPid;
        _tracerPid = tracerPid;
        Processes = processes;
        MemoryBytes = memoryBytes;
        _readStatus = readStatus ?? File.ReadAllText;
    }

    public int RootPid { get; }

    /// <summary>What CRIU carries of its TCP connections.</summary>
    public TcpMode Tcp { get; init; }

    /// <summary>Every process of the tree, zombies included, as pstree.img lists them.</summary>
    public IReadOnlyList<FrozenProcess> Processes { get; }

    /// <summary>What the processes' pages images hold together.</summary>
    public long MemoryBytes { get; }

    /// <summary>
    /// Proves that the tree has not run since it was frozen. Call it after the last byte of memory and files was read and
    /// before the commit: when CRIU dies, the kernel lets the tasks run on at once, and what was read since may be torn.
    /// </summary>
    /// <exception cref="TaskThawedException">A process is no longer held by CRIU.</exception>
    public void EnsureFrozen()
    {
        foreach (var process in Processes)
        {
            foreach (var thread in process.Threads)
            {
                string status;
                try
                {
                    status = _readStatus($"/proc/{process.Pid}/task/{thread}/status");
                }
                catch (IOException)
                {
                    throw new TaskThawedException(process.Pid, "it is gone");
                }

                // A zombie has nothing left to run. A thread that CRIU traces is in a ptrace stop ('t'), and the kernel
                // clears TracerPid when the tracer ends, for good: nobody else traces it later.
                var state = Field(status, "State:");
                if (state.StartsWith('Z'))
                {
                    continue;
                }

                if (Field(status, "TracerPid:") != _tracerPid.ToString(System.Globalization.CultureInfo.InvariantCulture) || !state.StartsWith('t'))
                {
                    throw new TaskThawedException(process.Pid, $"CRIU no longer holds it (state {state})");
                }
            }
        }
    }

    private static string Field(string status, string name)
    {
        foreach (var line in status.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
            {
                return line[name.Length..].Trim().ToString();
            }
        }

        return "";
    }
}

/// <param name="Threads">Thread ids, the process's own pid among them; the pid alone for a zombie.</param>
public sealed record FrozenProcess(int Pid, int ParentPid, int ProcessGroup, int Session, IReadOnlyList<int> Threads);

/// <summary>The tree ran before its state was committed: what was read may be torn and must not be committed.</summary>
public sealed class TaskThawedException(int pid, string why)
    : IOException($"process {pid} was let go before the snapshot was complete: {why}; the snapshot is discarded and the task runs on")
{
    public int Pid { get; } = pid;
}
