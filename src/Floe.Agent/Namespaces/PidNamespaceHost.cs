using System.Runtime.InteropServices;
using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Namespaces;

/// <summary>
/// Runs this program again as pid 1 of pid, mount and IPC namespaces of its own, for a machine where it is not pid 1 already:
/// a restored task then never meets a taken pid. This outer process only forwards signals and passes the exit status on.
/// </summary>
public static class PidNamespaceHost
{
    /// <summary>Set for the inner process, so that a pid 1 knows whether the machine is its own or was made by this class.</summary>
    public const string InnerVariable = "FLOE_INNER";

    private static readonly PosixSignal[] s_forwarded =
        [PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP, PosixSignal.SIGQUIT, (PosixSignal)Interop.SIGUSR1, (PosixSignal)Interop.SIGUSR2, PosixSignal.SIGWINCH];

    /// <summary>True when this process is the init of its pid namespace.</summary>
    public static bool IsInit => Interop.getpid() == 1;

    /// <summary>True when this process is the inner one that <see cref="RunAsync"/> started.</summary>
    public static bool IsInner => IsInit && Environment.GetEnvironmentVariable(InnerVariable) == "1";

    /// <summary>Starts the inner process with this program's own arguments and returns its exit status.</summary>
    /// <exception cref="LinuxException">EPERM: the namespaces may not be made.</exception>
    public static async Task<ExitStatus> RunAsync()
    {
        var pid = NamespaceThread.Run(Interop.CLONE_NEWPID | Interop.CLONE_NEWNS | Interop.CLONE_NEWIPC, () =>
        {
            MakeMountsPrivate();
            return ChildProcess.Spawn(new ChildProcessOptions
            {
                Path = "/proc/self/exe"u8.ToArray(),
                Arguments = ProcessStrings.Arguments(),
                Environment = [.. ProcessStrings.Environment(), Encoding.UTF8.GetBytes($"{InnerVariable}=1")],
            });
        });
        var inner = ChildProcess.Adopt(pid);

        var registrations = s_forwarded.Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            inner.Signal(Number(signal));
        })).ToArray();
        try
        {
            return await inner.Exited.ConfigureAwait(false);
        }
        finally
        {
            foreach (var registration in registrations)
            {
                registration.Dispose();
            }
        }
    }

    /// <summary>The inner process's own /proc, so that pids mean the same everywhere in it.</summary>
    public static unsafe void MountProc()
    {
        if (Interop.mount("proc", "/proc", "proc", Interop.MS_NOSUID | Interop.MS_NODEV | Interop.MS_NOEXEC, null) != 0)
        {
            throw LinuxException.Last("mounting /proc");
        }
    }

    internal static int Number(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => Interop.SIGHUP,
        PosixSignal.SIGINT => Interop.SIGINT,
        PosixSignal.SIGQUIT => Interop.SIGQUIT,
        PosixSignal.SIGTERM => Interop.SIGTERM,
        PosixSignal.SIGCONT => Interop.SIGCONT,
        PosixSignal.SIGWINCH => Interop.SIGWINCH,
        _ => (int)signal,
    };

    private static unsafe void MakeMountsPrivate()
    {
        if (Interop.mount("none", "/", null, Interop.MS_REC | Interop.MS_SLAVE, null) != 0)
        {
            throw LinuxException.Last("making the mounts private");
        }
    }
}
