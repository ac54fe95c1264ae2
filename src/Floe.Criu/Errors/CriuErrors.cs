using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Criu.Errors;

/// <summary>
/// Turns CRIU's error lines into one clear line and what to do. The first line that is known decides: CRIU reports the cause
/// first and its consequences after it.
/// </summary>
internal static class CriuErrors
{
    private const string Later = "stop using it around snapshots, or run this command without floe";

    private static readonly (string Text, string Message, string Hint)[] s_known =
    [
        ("Unknown shit 600 (anon_inode:[io_uring])", "the task uses io_uring, which CRIU cannot carry", "turn it off in the program (Node: UV_USE_IO_URING=0)"),

        // io_uring descriptors are refused by SCM_RIGHTS, with which CRIU fetches a task's descriptors.
        ("send_fds failed (-22)", "the task holds a descriptor that the kernel does not pass on, most likely an io_uring", "turn io_uring off in the program (Node: UV_USE_IO_URING=0)"),
        ("Can't dump ghost file", "the task holds an unlinked file larger than CRIU carries", "let the program keep the file's name, or close it before the snapshot"),
        ("in-flight socket", "somebody has connected to a unix socket of the task that the task has not accepted yet", "try again"),
        ("In-flight connection", "somebody has connected to the task and was not accepted yet", "try again, or use --tcp=close"),
        ("Connected TCP socket, consider", "the task has open TCP connections", "use --tcp=close, or --tcp=established when both ends are inside the task"),
        ("External socket is used", "the task is connected to a unix socket of a process outside of it", "start that process inside the task, or close the connection before the snapshot"),
        ("Can't dump half of stream unix connection", "the task is connected to a unix socket of a process outside of it", "start that process inside the task, or close the connection before the snapshot"),
        ("Can't dump name-less external socket", "the task has a socket pair with a process outside of it", "start that process inside the task"),
        ("Unknown socket collected", "the task holds a socket of a family that CRIU cannot carry", Later),
        ("anon_inode:[userfaultfd]", "the task uses userfaultfd, which CRIU cannot carry", Later),
        ("anon_inode:[perf_event]", "the task uses perf events, which CRIU cannot carry", "do not profile the task while it is snapshotted"),
        ("Can't dump file", "the task holds a device or descriptor that CRIU cannot carry", Later),
        ("Can't lookup mount=", "the task holds a file of a mount that it does not see (made in another mount namespace, or unmounted since)", "close it before the snapshot; do not unmount file systems in use"),
        ("is not a session leader", "the root of the task is not the leader of its session", "start it with setsid"),
        ("Unseizable non-zombie", "a process of the task is traced by a debugger", "detach gdb or strace"),
        ("No such process", "a process of the task ended while CRIU held it", "try again"),
        ("Unable to detach from", "CRIU may not trace the task", "run with CAP_SYS_PTRACE and without a ptrace restriction (privileged container)"),
        ("CAP_SYS_ADMIN or the CAP_CHECKPOINT_RESTORE", "a capability is missing", "run as root with CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN and CAP_SYS_TIME (privileged container)"),
        ("Unable to restore capabilities", "the task had a capability that is missing here", "run with the same capabilities on both machines (privileged container)"),
        ("Unable to set a monotonic clock offset", "the clocks cannot be carried over: CAP_SYS_TIME is missing", "run with the same capabilities on both machines (privileged container)"),
        ("SO_SNDBUFFORCE", "socket buffers cannot be set: CAP_NET_ADMIN is missing", "run with the same capabilities on both machines (privileged container)"),
        ("Can't change root", "CAP_SYS_CHROOT is missing", "run with the same capabilities on both machines (privileged container)"),
        ("Can't fork for *: File exists", "a process here already has a pid of the task", "restore in a fresh container or pid namespace; reap every zombie first"),
        (": File exists", "a file is in the way of one that CRIU makes", "remove what an earlier dump or restore left in the task's folders (link_remap.*, *.ghost), or name the folder of the file that is meant"),
        ("bind inet socket", "a port or an address that the task listens on or is connected by is not to be had here", "free the port (ss -tanp), or restore in a network namespace of its own"),
        ("has bad size", "a file that the task has open is not the one it had", "restore with the same image, and put the task's files back first"),
        ("has bad build-id", "a program or library of the task is another one here", "pin the container image by its digest"),
        ("has bad mode", "a file that the task has open has other permissions here", "restore with the same image, and put the task's files back first"),
        ("on restore: No such file or directory", "a file that the task has open is missing here", "restore with the same image, and put the task's files back first"),
        ("CPU instruction capabilities do not match", "this CPU lacks features of the one that the task was started on", "restore on a CPU of the same or a newer generation, or start tasks with --cpu-baseline"),
        ("FPU feature required by image", "this CPU lacks features of the one that the task was started on", "restore on a CPU of the same or a newer generation, or start tasks with --cpu-baseline"),
        ("CPU xfeatures has unsupported bits", "this CPU lacks features of the one that the task was started on", "restore on a CPU of the same or a newer generation, or start tasks with --cpu-baseline"),
        ("CPU xsave", "this CPU keeps its state in another form than the one that the task was started on", "restore on a CPU of the same generation, or start tasks with --cpu-baseline"),
        ("CPU capabilities do not match", "this CPU lacks features of the one that the task was started on", "restore on a CPU of the same or a newer generation, or start tasks with --cpu-baseline"),
        ("kerndat_tcp_repair failed", "CRIU finds no loopback interface", "ip link set lo up"),
        ("Unexpected rt vDSO area bounds", "this CRIU is too old for this kernel", $"use a CRIU >= {CriuInstallation.Minimum}"),
        ("Cannot allocate memory", "memory ran out", MoreMemory),
        ("No space left on device", "a file system is full", "make room"),
        ("Timeout reached", "the task could not be stopped in time: a process waits in the kernel (a hanging network file system?)", "try again"),
    ];

    /// <summary>
    /// CRIU's words for a process of the tree that somebody killed (criu/cr-restore.c, sigchld_process). Only where they come first: with
    /// whatever else goes wrong CRIU itself kills the rest of the tree, and says the same of each.
    /// </summary>
    private const string Killed = " killed by signal 9";

    private const string MoreMemory = "use a machine with more memory";

    /// <summary>Lines that CRIU calls errors and that stop nothing.</summary>
    private static readonly string[] s_harmless =
    [
        "Can't setup RLIMIT_NOFILE", "reported by netlink", "Unable to create a veth pair", "Unexpected error: -1(Operation not permitted)",
        "One of more action scripts failed", "Dumping FAILED", "Restoring FAILED", "Unable to create tun",
    ];

    /// <summary>
    /// As <see cref="Translate"/>, of a restore: the kernel ends processes for want of memory in a cgroup without an error that CRIU could
    /// tell, the tree's or CRIU itself, and then a machine with more memory is needed and no other snapshot.
    /// </summary>
    /// <param name="isKilledByFloe">Signal 9 in <paramref name="status"/> is Floe's own.</param>
    /// <param name="inner">What Floe saw of it; told where the log says nothing.</param>
    public static CriuException TranslateRestore(ExitStatus status, IReadOnlyList<string> errors, bool isKilledByFloe, Exception? inner = null)
    {
        var first = errors.FirstOrDefault(IsMeant);
        if (first?.Contains(Killed, StringComparison.Ordinal) == true)
        {
            return new CriuException($"restore failed: the kernel ended a process, most likely because memory ran out (CRIU: {Text(first)})", MoreMemory, errors, inner);
        }

        var error = Translate("restore", status, errors, inner);
        return error.Hint is null && status.Signal == Interop.SIGKILL && !isKilledByFloe
            ? new CriuException("restore failed: the kernel ended CRIU, most likely because memory ran out", MoreMemory, errors, inner)
            : error;
    }

    public static CriuException Translate(string operation, ExitStatus status, IReadOnlyList<string> errors, Exception? inner)
    {
        var lines = errors.Where(IsMeant).ToList();
        foreach (var line in lines)
        {
            foreach (var (text, message, hint) in s_known)
            {
                if (Says(line, text))
                {
                    return new CriuException($"{operation} failed: {message} (CRIU: {Text(line)})", hint, errors, inner) { HasDied = status.Signal != 0 };
                }
            }
        }

        var said = lines.Count > 0 ? Text(lines[0]) : inner?.Message ?? "no reason given";
        return new CriuException($"{operation} failed: CRIU ended with {status}: {said}", null, errors, inner) { HasDied = status.Signal != 0 };
    }

    /// <summary>Whether the line has the text; a * in it stands for anything.</summary>
    private static bool Says(string line, string text)
    {
        var at = 0;
        foreach (var part in text.AsSpan().Split('*'))
        {
            var found = line.AsSpan(at).IndexOf(text.AsSpan()[part], StringComparison.Ordinal);
            if (found < 0)
            {
                return false;
            }

            at += found + (part.End.Value - part.Start.Value);
        }

        return true;
    }

    private static bool IsMeant(string line) => !Array.Exists(s_harmless, harmless => line.Contains(harmless, StringComparison.Ordinal));

    /// <summary>The line without "Error (file:line): ".</summary>
    private static string Text(string line)
    {
        var end = line.IndexOf("): ", StringComparison.Ordinal);
        return line.StartsWith("Error (", StringComparison.Ordinal) && end > 0 ? line[(end + 3)..] : line;
    }
}
