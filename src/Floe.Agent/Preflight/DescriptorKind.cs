namespace Floe.Agent.Preflight;

internal enum DescriptorKind
{
    /// <summary>CRIU carries it.</summary>
    Fine,
    /// <summary>A device without state, like /dev/null: reopened by its path.</summary>
    Null,
    IoUring,
    Device,
    KernelObject,
    Watch,
    Terminal,
    /// <summary>The side of a pseudo terminal that a program like script(1) holds.</summary>
    TerminalMaster,
    Socket,
    Pipe,
    /// <summary>A file with a name, or a FIFO: it has a path.</summary>
    File,
    /// <summary>A file whose name was removed.</summary>
    DeletedFile,
}

/// <summary>
/// What a link in /proc/PID/fd stands for. Sources: the kernel's anon_inode names, and what CRIU 4.2 dumps (file types in criu/files.c of its tree).
/// </summary>
internal static class Descriptors
{
    private static readonly HashSet<string> CarriedAnonymous = new(StringComparer.Ordinal)
    {
        "[eventfd]", "[eventpoll]", "[signalfd]", "[timerfd]", "[pidfd]", "bpf-map",
    };

    private static readonly HashSet<string> CarriedDevices = new(StringComparer.Ordinal)
    {
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/net/tun",
    };

    private static readonly string[] NotDevices = ["/dev/shm/", "/dev/mqueue/", "/dev/hugepages/"];

    public static DescriptorKind Classify(string link)
    {
        const string Anonymous = "anon_inode:";
        const string Deleted = " (deleted)";
        if (link.StartsWith("socket:[", StringComparison.Ordinal))
        {
            return DescriptorKind.Socket;
        }

        if (link.StartsWith("pipe:[", StringComparison.Ordinal))
        {
            return DescriptorKind.Pipe;
        }

        if (link.StartsWith(Anonymous, StringComparison.Ordinal))
        {
            var name = link[Anonymous.Length..];
            return name switch
            {
                "[io_uring]" => DescriptorKind.IoUring,
                "inotify" or "[inotify]" or "[fanotify]" => DescriptorKind.Watch,
                _ when name.StartsWith("kvm-", StringComparison.Ordinal) => DescriptorKind.Device,
                _ => CarriedAnonymous.Contains(name) ? DescriptorKind.Fine : DescriptorKind.KernelObject,
            };
        }

        if (!link.StartsWith('/'))
        {
            // "mnt:[…]", "net:[…]" and other namespace files; CRIU reopens them.
            return DescriptorKind.Fine;
        }

        if (link.EndsWith(Deleted, StringComparison.Ordinal))
        {
            // Shared memory without a file name is dumped as memory, not as a deleted file.
            return link.StartsWith("/memfd:", StringComparison.Ordinal)
                || link.StartsWith("/SYSV", StringComparison.Ordinal)
                || link.StartsWith("/dev/zero", StringComparison.Ordinal)
                    ? DescriptorKind.Fine
                    : link.StartsWith("/secretmem", StringComparison.Ordinal) ? DescriptorKind.KernelObject : DescriptorKind.DeletedFile;
        }

        if (link is "/dev/ptmx" or "/dev/pts/ptmx")
        {
            return DescriptorKind.TerminalMaster;
        }

        if (link is "/dev/tty" or "/dev/console" || link.StartsWith("/dev/pts/", StringComparison.Ordinal))
        {
            return DescriptorKind.Terminal;
        }

        return CarriedDevices.Contains(link) ? DescriptorKind.Null : IsDevice(link) ? DescriptorKind.Device : DescriptorKind.File;
    }

    private static bool IsDevice(string path) =>
        path.StartsWith("/dev/", StringComparison.Ordinal)
        && !Array.Exists(NotDevices, prefix => path.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>The number in "socket:[123]" and "pipe:[123]"; 0 for anything else.</summary>
    public static ulong Inode(string link)
    {
        var open = link.IndexOf('[');
        return open > 0 && link.EndsWith(']') && ulong.TryParse(link.AsSpan(open + 1, link.Length - open - 2), out var inode) ? inode : 0;
    }
}
