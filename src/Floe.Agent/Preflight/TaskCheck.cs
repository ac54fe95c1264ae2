namespace Floe.Agent.Preflight;

/// <summary>What <see cref="TaskPreflight"/> looks for, each with what to do about it.</summary>
internal sealed record TaskCheck(string Name, CheckStatus Severity, string NothingFound, string Fix)
{
    public static readonly TaskCheck IoUring = new(
        "task io_uring", CheckStatus.Fail, "no io_uring in use",
        "io_uring cannot be frozen: start the task with floe run (which makes io_uring fail over), or set UV_USE_IO_URING=0 or the program's own switch.");

    public static readonly TaskCheck Devices = new(
        "task devices", CheckStatus.Fail, "no device in use",
        "state inside a device (GPU, InfiniBand, KVM, …) cannot be frozen: run the task without it, or without Floe.");

    public static readonly TaskCheck KernelObjects = new(
        "task kernel objects", CheckStatus.Fail, "none that CRIU does not know",
        "CRIU cannot freeze this kind of descriptor: let the program close it, or switch the feature off (profilers, debuggers, BPF tools).");

    public static readonly TaskCheck Tracer = new(
        "task traced", CheckStatus.Fail, "no debugger attached",
        "a process has one tracer only and CRIU needs to be it: detach the debugger (gdb, strace).");

    public static readonly TaskCheck Terminal = new(
        "task terminal", CheckStatus.Fail, "no controlling terminal",
        "a terminal stays behind on this machine: start the task with floe run, or with setsid and redirected input and output.");

    public static readonly TaskCheck Session = new(
        "task session", CheckStatus.Fail, "every session leader is in the tree",
        "a session can only be frozen with its leader: start the task with floe run or setsid, or name the leader's pid.");

    public static readonly TaskCheck Namespaces = new(
        "task namespaces", CheckStatus.Fail, "all processes share the root's namespaces",
        "nested namespaces (unshare, bubblewrap, apptainer, a browser's sandbox) cannot be carried: switch the sandbox off.");

    public static readonly TaskCheck Mounts = new(
        "task mounts", CheckStatus.Fail, "every open file is on a mount of the task",
        "a descriptor from another mount namespace cannot be reopened: close what the task inherits, or redirect it to a file that the task sees.");

    public static readonly TaskCheck GhostFiles = new(
        "task deleted files", CheckStatus.Fail, "no deleted file above the limit",
        "a deleted file travels inside the images, and this one is larger than CRIU carries: let the program keep the file's name.");

    public static readonly TaskCheck Users = new(
        "task users", CheckStatus.Fail, "users can be restored",
        "a process of another user needs CAP_SYS_RESOURCE: add it (docker run --cap-add=SYS_RESOURCE, or privileged), or run everything as one user.");

    public static readonly TaskCheck TcpLost = new(
        "task tcp", CheckStatus.Warn, "no TCP connection that a move would break",
        "after a restore these connections are closed (--tcp=close): the program must connect again by itself.");

    public static readonly TaskCheck TcpOutbound = TcpLost with
    {
        Fix = "a connection to another machine cannot follow to a machine with another address: use --tcp=close if the program connects again by itself.",
    };

    public static readonly TaskCheck UnixSockets = new(
        "task unix sockets", CheckStatus.Fail, "no connection to a process outside the task",
        "a connected socket cannot be split: stop the use of the outside service (syslog, D-Bus, nscd, sssd), or start it inside the task.");

    public static readonly TaskCheck Pipes = new(
        "task pipes", CheckStatus.Warn, "both ends of every pipe are in the task",
        "the other end is outside the task (or closed already) and is not carried: start the whole pipeline with one floe run -- sh -c '…'.");

    public static readonly TaskCheck Watches = new(
        "task file watches", CheckStatus.Warn, "no inotify or fanotify",
        "watches are carried, but events that wait to be read are lost: the program should look again after a restore.");

    public static readonly TaskCheck FilesOutside = new(
        "task files", CheckStatus.Warn, "files open for writing are all carried",
        "written outside of what a snapshot carries: add --include DIR, or keep the directory on storage that both machines share.");

    /// <summary>In the order in which they are reported.</summary>
    public static readonly IReadOnlyList<TaskCheck> All =
    [
        IoUring, Devices, KernelObjects, Tracer, Terminal, Session, Namespaces, Mounts, GhostFiles, Users, UnixSockets, TcpLost, Pipes,
        Watches, FilesOutside,
    ];
}
