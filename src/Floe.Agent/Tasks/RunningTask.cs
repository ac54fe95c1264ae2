using Floe.Agent.Namespaces;
using Floe.Agent.Stdio;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Tasks;

/// <summary>The thing that is frozen and thawed: a small init (tini, a subreaper), the command below it, and the pipes of its output.</summary>
internal sealed class RunningTask : IAsyncDisposable
{
    private RunningTask(ChildProcess root, TaskOutput output)
    {
        Root = root;
        Output = output;
    }

    /// <summary>The init; its exit status is the command's.</summary>
    public ChildProcess Root { get; }

    public TaskOutput Output { get; }

    /// <summary>Starts the command from the beginning, in a session and an IPC namespace of its own.</summary>
    /// <exception cref="LinuxException">tini cannot be started, or the namespace cannot be made.</exception>
    /// <param name="copy">Gets what the task writes to its standard streams; null for none.</param>
    public static RunningTask Start(TaskStart start, IOutputCopy? copy, ILogger logger, CancellationToken cancellationToken)
    {
        PidFloor.RaiseTo(PidFloor.FirstTaskPid - 1, logger, cancellationToken);
        var output = TaskOutput.Create([], [], start.User, copy: copy);
        using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Read);
        var options = new ChildProcessOptions
        {
            Path = start.Init,
            Arguments = ["tini"u8.ToArray(), "-s"u8.ToArray(), "--"u8.ToArray(), .. start.Command],
            Environment = start.Environment,
            WorkingDirectory = start.WorkingDirectory,
            NewSession = true,
            HasGivenDescriptorLimit = true,
            Descriptors = [(nothing, 0), (output.Stdout.WriteEnd, 1), (output.Stderr.WriteEnd, 2)],
        };
        var pid = NamespaceThread.Run(Interop.CLONE_NEWIPC, () =>
        {
            // CRIU cannot carry io_uring: programs that find it missing fall back by themselves.
            _ = SystemCallBlock.TryInstallOnThisThread();
            if (start.User is { } user)
            {
                // Last, since the filter and the namespace take root. The thread ends with this body and does nothing else as that user.
                SetUserId.BecomeOnThisThread(user);
            }

            return ChildProcess.Spawn(options);
        });
        var root = ChildProcess.Adopt(pid);
        output.CloseWriteEnds();
        return new RunningTask(root, output);
    }

    /// <summary>Takes over a task that CRIU has restored as a child of this process.</summary>
    public static RunningTask Adopt(ChildProcess root, TaskOutput output)
    {
        output.CloseWriteEnds();
        return new RunningTask(root, output);
    }

    public async ValueTask DisposeAsync()
    {
        Root.Signal(Interop.SIGKILL);
        await Output.DisposeAsync().ConfigureAwait(false);
    }
}

/// <param name="Init">Path of tini.</param>
/// <param name="Command">The user's command and its arguments.</param>
/// <param name="User">Who runs it; null: whoever runs the agent.</param>
internal sealed record TaskStart(
    byte[] Init, IReadOnlyList<byte[]> Command, IReadOnlyList<byte[]> Environment, byte[] WorkingDirectory, UserIds? User = null);
