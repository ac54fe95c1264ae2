using System.Runtime.InteropServices;
using System.Text;

namespace Floe.Linux.Processes;

/// <summary>
/// A child that was started by posix_spawn, or a child that another program made for us (CRIU's sibling restore).
/// One thread a child blocks in waitid; it alone takes the exit status, so no status is ever lost or taken twice.
/// </summary>
public sealed unsafe class ChildProcess
{
    private readonly TaskCompletionSource<ExitStatus> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(int pid)
    {
        Pid = pid;
        // 64 KiB of stack: the thread only waits.
        new Thread(WaitForExit, 64 * 1024) { IsBackground = true, Name = $"wait {pid}" }.Start();
    }

    public int Pid { get; }

    /// <summary>Completes when the child has ended and was reaped.</summary>
    public Task<ExitStatus> Exited => _exited.Task;

    public bool HasExited => _exited.Task.IsCompleted;

    /// <summary>
    /// Starts a program with default signal dispositions and an empty signal mask, in the namespaces of the calling thread.
    /// </summary>
    /// <exception cref="LinuxException">The program cannot be started: ENOENT, EACCES, …</exception>
    public static ChildProcess Start(ChildProcessOptions options)
    {
        lock (Orphans.Gate)
        {
            return Adopt(Spawn(options));
        }
    }

    /// <summary>
    /// Only starts the program and returns its pid, which the caller passes to <see cref="Adopt"/>: for a thread that can start
    /// no other thread, because its children live in another pid namespace.
    /// </summary>
    /// <exception cref="LinuxException">The program cannot be started.</exception>
    public static int Spawn(ChildProcessOptions options)
    {
        byte* actions = stackalloc byte[Interop.SpawnStructBytes];
        byte* attributes = stackalloc byte[Interop.SpawnStructBytes];
        byte* signals = stackalloc byte[128];
        var sources = new List<int>();
        using var strings = new NativeStrings();
        Check(Interop.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        Check(Interop.posix_spawnattr_init(attributes), "posix_spawnattr_init");
        try
        {
            if (options.WorkingDirectory is { } directory)
            {
                Check(Interop.posix_spawn_file_actions_addchdir_np(actions, strings.Add(directory)), "chdir");
            }

            var highest = options.Descriptors.Select(d => d.Target).Append(2).Max();
            foreach (var (source, target) in options.Descriptors)
            {
                // Moved out of the way first, so that no target closes a source that is still to be copied.
                var safe = Interop.fcntl((int)source.DangerousGetHandle(), Interop.F_DUPFD_CLOEXEC, highest + 1);
                if (safe < 0)
                {
                    throw LinuxException.Last("fcntl(F_DUPFD_CLOEXEC)");
                }

                sources.Add(safe);
                Check(Interop.posix_spawn_file_actions_adddup2(actions, safe, target), "adddup2");
            }

            for (var fd = 3; fd < highest; fd++)
            {
                if (!options.Descriptors.Any(d => d.Target == fd))
                {
                    throw new ArgumentException($"descriptor {fd} of the child is not given; the numbers must have no gaps", nameof(options));
                }
            }

            Check(Interop.posix_spawn_file_actions_addclosefrom_np(actions, highest + 1), "closefrom");

            var flags = Interop.POSIX_SPAWN_SETSIGDEF | Interop.POSIX_SPAWN_SETSIGMASK;
            if (options.NewSession)
            {
                flags |= Interop.POSIX_SPAWN_SETSID;
            }

            Check(Interop.posix_spawnattr_setflags(attributes, (short)flags), "posix_spawnattr_setflags");
            new Span<byte>(signals, 128).Clear();
            Check(Interop.posix_spawnattr_setsigmask(attributes, signals), "posix_spawnattr_setsigmask");
            new Span<byte>(signals, 128).Fill(0xff);
            Check(Interop.posix_spawnattr_setsigdefault(attributes, signals), "posix_spawnattr_setsigdefault");

            var argv = strings.AddArray(options.Arguments);
            var envp = strings.AddArray(options.Environment ?? OwnEnvironment());
            var path = strings.Add(options.Path);
            int pid;
            using var limit = options.HasGivenDescriptorLimit ? DescriptorLimit.AsGiven() : default;
            Check(Interop.posix_spawn(&pid, path, actions, attributes, argv, envp), Encoding.UTF8.GetString(options.Path));
            return pid;
        }
        finally
        {
            _ = Interop.posix_spawn_file_actions_destroy(actions);
            _ = Interop.posix_spawnattr_destroy(attributes);
            foreach (var fd in sources)
            {
                _ = Interop.close(fd);
            }
        }
    }

    /// <summary>Takes charge of a child of this process that it did not start by itself.</summary>
    public static ChildProcess Adopt(int pid)
    {
        lock (Orphans.Gate)
        {
            Orphans.Known.Add(pid);
            return new ChildProcess(pid);
        }
    }

    /// <summary>True for a child that some <see cref="ChildProcess"/> waits for.</summary>
    public static bool IsKnown(int pid)
    {
        lock (Orphans.Gate)
        {
            return Orphans.Known.Contains(pid);
        }
    }

    /// <summary>Sends a signal; false when the child has ended already.</summary>
    public bool Signal(int signal)
    {
        lock (_exited)
        {
            // Not yet reaped (the wait thread reaps under this lock), so the pid is still this child's.
            return !HasExited && Interop.kill(Pid, signal) == 0;
        }
    }

    /// <summary>NAME=value entries as the kernel gave them to this program, byte for byte, plus what was set since through .NET.</summary>
    public static IReadOnlyList<byte[]> OwnEnvironment() => ProcessStrings.Environment();

    private void WaitForExit()
    {
        Interop.SigInfo info;
        while (Interop.waitid(Interop.P_PID, Pid, &info, Interop.WEXITED | Interop.WNOWAIT) < 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR)
            {
                Finish(() => _exited.TrySetException(new LinuxException($"waitid({Pid})", errno)));
                return;
            }
        }

        var status = info.Code == Interop.CLD_EXITED ? new ExitStatus(info.Status, 0) : new ExitStatus(0, info.Status & 0x7f);
        Finish(() =>
        {
            Interop.SigInfo reaped;
            _ = Interop.waitid(Interop.P_PID, Pid, &reaped, Interop.WEXITED | Interop.WNOHANG);
            _exited.TrySetResult(status);
        });
    }

    private void Finish(Action reap)
    {
        lock (Orphans.Gate)
        {
            lock (_exited)
            {
                reap();
            }

            Orphans.Known.Remove(Pid);
        }
    }

    private static void Check(int error, string operation)
    {
        if (error != 0)
        {
            throw new LinuxException(operation, error);
        }
    }
}
