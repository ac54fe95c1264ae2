using System.Runtime.InteropServices;
using System.Text;
using Floe.Agent.Preflight;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Namespaces;

/// <summary>
/// Runs this program again as pid 1 of pid, mount and IPC namespaces of its own, for a machine where it is not pid 1 already:
/// a restored task then never meets a taken pid. This outer process only forwards signals and passes the exit status on.
/// </summary>
public static class PidNamespaceHost
{
    /// <summary>Set for the inner process, so that a pid 1 knows whether the machine is its own or was made by this class.</summary>
    public const string InnerVariable = "FLOE_INNER";

    // The inner process's end of the lifeline. The outer one's death, by whatever signal, ends it.
    private const int Lifeline = 3;
    private const int KilledStatus = 137;

    /// <summary>True when this process is the init of its pid namespace.</summary>
    public static bool IsInit => Interop.getpid() == 1;

    /// <summary>True when this process is the inner one that <see cref="RunAsync"/> started.</summary>
    public static bool IsInner => IsInit && Environment.GetEnvironmentVariable(InnerVariable) == "1";

    /// <summary>Starts the inner process with this program's own arguments and returns its exit status.</summary>
    /// <param name="refusal">The exit status of the exception.</param>
    /// <exception cref="FloeException">The namespaces may not be made.</exception>
    public static async Task<ExitStatus> RunAsync(int refusal)
    {
        if (WhyNot(ProcFiles.TryReadText("/proc/self/status") ?? "") is { } reason)
        {
            throw new FloeException(refusal, $"{reason}; 'floe check' says what else is missing");
        }

        // A death signal will not do: it comes when the thread ends that made the child.
        var (read, write) = MakePipe();
        using var life = write;
        using var lifeline = read;
        var pid = Start(lifeline, refusal);
        lifeline.Dispose();
        var inner = ChildProcess.Adopt(pid);

        var registrations = PassedSignals.Ending.Concat(PassedSignals.Other).Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            inner.Signal(PassedSignals.Number(signal));
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

    /// <summary>Why a process of this status, as /proc/self/status has it, may make no namespaces; null when nothing there is against it.</summary>
    internal static string? WhyNot(string status)
    {
        const string Lack = "CAP_SYS_ADMIN is missing, without which the task gets no namespaces of its own (pids, mounts, IPC)";
        // In the bounding set it is there for the taking: the process is just not root. No status: the kernel will say.
        var own = ProcessStatus.Parse(status);
        return own.Uids.Count == 0 || own.EffectiveCapabilities.Has(Capability.SysAdmin) ? null
            : own.BoundingCapabilities.Has(Capability.SysAdmin) ? $"{Lack}: run this as root"
            : $"{Lack}: give it to the container (docker run --privileged, or --cap-add=SYS_ADMIN)";
    }

    private static int Start(SafeFileHandle lifeline, int refusal)
    {
        try
        {
            return NamespaceThread.Run(Interop.CLONE_NEWPID | Interop.CLONE_NEWNS | Interop.CLONE_NEWIPC, () =>
            {
                MakeMountsPrivate();
                return ChildProcess.Spawn(new ChildProcessOptions
                {
                    Path = "/proc/self/exe"u8.ToArray(),
                    Arguments = ProcessStrings.Arguments(),
                    Environment = [.. ProcessStrings.Environment(), Encoding.UTF8.GetBytes($"{InnerVariable}=1")],
                    Descriptors = [(lifeline, Lifeline)],

                    // A terminal sends Ctrl-C to all of its session's foreground group: the task would get it from there, and from the outer process again.
                    NewSession = true,
                });
            });
        }
        catch (LinuxException e) when (e.Errno == Errno.EPERM)
        {
            throw new FloeException(refusal, $"{e.Message}; a seccomp profile or a user namespace may stand in the way: 'floe check' says what is missing", e);
        }
    }

    /// <summary>
    /// The inner process's first act: its own /proc, so that pids mean the same everywhere in it, and its end bound to the outer process's. Without
    /// that, a task whose `floe run` was killed would run on where nobody sees it, and keep its lease.
    /// </summary>
    public static void EnterInner()
    {
        MountProc();
        if (Interop.fcntl(Lifeline, Interop.F_SETFD, Interop.FD_CLOEXEC) != 0)
        {
            return;
        }

        new Thread(WatchLifeline, 64 * 1024) { IsBackground = true, Name = "lifeline" }.Start();
    }

    private static unsafe void MountProc()
    {
        if (Interop.mount("proc", "/proc", "proc", Interop.MS_NOSUID | Interop.MS_NODEV | Interop.MS_NOEXEC, null) != 0)
        {
            throw LinuxException.Last("mounting /proc");
        }
    }

    private static unsafe void WatchLifeline()
    {
        byte nothing;
        while (Interop.read(Lifeline, &nothing, 1) != 0)
        {
            // Nothing is ever sent; what is no end is an interrupted call.
        }

        // The end of a pid 1 is the end of all that it started.
        Interop._exit(KilledStatus);
    }

    private static unsafe (SafeFileHandle Read, SafeFileHandle Write) MakePipe()
    {
        var ends = stackalloc int[2];
        return Interop.pipe2(ends, Interop.O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true)) : throw LinuxException.Last("pipe2");
    }

    private static unsafe void MakeMountsPrivate()
    {
        if (Interop.mount("none", "/", null, Interop.MS_REC | Interop.MS_SLAVE, null) != 0)
        {
            throw LinuxException.Last("making the mounts private");
        }
    }
}
