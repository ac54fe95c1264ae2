using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>
/// Looks at a running task for what cannot be frozen or will not survive a move. Reads /proc only and stops nothing; a process that ends meanwhile
/// is passed over. Cost: a few reads a process and one or two a descriptor; memory grows with the number of sockets and pipes only.
/// </summary>
public sealed class TaskPreflight
{
    private readonly TaskPreflightOptions options;
    private readonly IUnixPeerTable unixPeers;
    private readonly TaskFindings findings = new();
    private readonly Dictionary<ulong, string> sockets = [];
    private readonly Dictionary<ulong, PipeEnds> pipes = [];
    private readonly Dictionary<string, string> terminals = new(StringComparer.Ordinal);
    private readonly HashSet<string> filesSeen = new(StringComparer.Ordinal);
    private bool hasTerminalMaster;

    private TaskPreflight(TaskPreflightOptions options, IUnixPeerTable unixPeers)
    {
        this.options = options;
        this.unixPeers = unixPeers;
    }

    /// <summary>One result for each check, in a fixed order; a single failure when the process does not exist.</summary>
    public static IReadOnlyList<CheckResult> Run(TaskPreflightOptions options, CancellationToken cancellationToken) =>
        Run(options, new UnixDiagPeerTable(), cancellationToken);

    internal static IReadOnlyList<CheckResult> Run(TaskPreflightOptions options, IUnixPeerTable unixPeers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new TaskPreflight(options, unixPeers).Run(cancellationToken);
    }

    private IReadOnlyList<CheckResult> Run(CancellationToken cancellationToken)
    {
        var tree = ProcessTree.Read(options.ProcRoot, options.RootPid, cancellationToken);
        if (tree.Count == 0)
        {
            return [CheckResult.Fail("task", $"there is no process {options.RootPid}", "name the pid of a running process (seen from this pid namespace).")];
        }

        var pids = tree.Select(static process => process.Pid).ToHashSet();
        var self = ProcessStatus.TryRead(Path.Combine(options.ProcRoot, "self"));
        var rootNamespaces = ReadNamespaces(options.RootPid);
        foreach (var (pid, stat) in tree)
        {
            cancellationToken.ThrowIfCancellationRequested();
            InspectProcess(pid, stat, pids, self, rootNamespaces);
        }

        InspectSockets();
        InspectPipes();
        InspectTerminals();
        var processes = string.Create(CultureInfo.InvariantCulture, $"{tree.Count} {(tree.Count == 1 ? "process" : "processes")} looked at");
        return [CheckResult.Pass("task", processes), .. TaskCheck.All.Select(check => findings.ToResult(Effective(check)))];
    }

    // The same loss reads differently under the two TCP policies.
    private TaskCheck Effective(TaskCheck check) => check == TaskCheck.TcpLost && options.TcpEstablished ? TaskCheck.TcpOutbound : check;

    private void InspectProcess(
        int pid, ProcessStat stat, HashSet<int> pids, ProcessStatus? self, Dictionary<string, string> rootNamespaces)
    {
        var directory = Path.Combine(options.ProcRoot, pid.ToString(CultureInfo.InvariantCulture));
        if (ProcessStatus.TryRead(directory) is not { IsZombie: false } status)
        {
            return;
        }

        var who = $"process {pid} ({stat.Command})";
        if (status.TracerPid != 0)
        {
            findings.Add(TaskCheck.Tracer, $"{who} is traced by {status.TracerPid}");
        }

        if (stat.Terminal != 0)
        {
            findings.Add(TaskCheck.Terminal, $"{who} has a controlling terminal");
        }

        if (!pids.Contains(stat.Session))
        {
            findings.Add(TaskCheck.Session, $"{who} is in session {stat.Session}, whose leader is not in the tree");
        }

        if (self is not null && !self.EffectiveCapabilities.Has(Capability.SysResource)
            && self.Uids.Count > 0 && status.Uids.FirstOrDefault(uid => uid != self.Uids[0], -1) is >= 0 and var otherUid)
        {
            findings.Add(TaskCheck.Users, $"{who} runs as uid {otherUid}");
        }

        foreach (var (kind, identity) in ReadNamespaces(pid))
        {
            if (rootNamespaces.TryGetValue(kind, out var rootIdentity) && rootIdentity != identity)
            {
                findings.Add(TaskCheck.Namespaces, $"{who} has its own {kind} namespace");
            }
        }

        InspectDescriptors(directory, who);
        InspectMappings(directory, who);
    }

    // A nested network namespace is within CRIU's reach; of the others a dump fails (pid, ipc, uts, user, time) or its restore crashes (mnt).
    private Dictionary<string, string> ReadNamespaces(int pid)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var kind in (string[])["mnt", "pid", "ipc", "uts", "user", "time"])
        {
            var path = Path.Combine(options.ProcRoot, pid.ToString(CultureInfo.InvariantCulture), "ns", kind);
            if (ProcFiles.TryReadLink(path) is { } identity)
            {
                result[kind] = identity;
            }
        }

        return result;
    }

    private void InspectDescriptors(string processDirectory, string who)
    {
        string[] entries;
        try
        {
            entries = Directory.GetFiles(Path.Combine(processDirectory, "fd"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return;
        }

        foreach (var entry in entries)
        {
            if (ProcFiles.TryReadLink(entry) is { } link)
            {
                InspectDescriptor(processDirectory, entry, link, who);
            }
        }
    }

    private void InspectDescriptor(string processDirectory, string entry, string link, string who)
    {
        switch (Descriptors.Classify(link))
        {
            case DescriptorKind.IoUring:
                findings.Add(TaskCheck.IoUring, $"{who} has an io_uring");
                break;
            case DescriptorKind.TerminalMaster:
                hasTerminalMaster = true;
                break;
            case DescriptorKind.Terminal:
                terminals.TryAdd(link, who);
                break;
            case DescriptorKind.Device:
                findings.Add(TaskCheck.Devices, $"{who} has {link} open");
                break;
            case DescriptorKind.KernelObject:
                findings.Add(TaskCheck.KernelObjects, $"{who} has {link} open");
                break;
            case DescriptorKind.Watch:
                findings.Add(TaskCheck.Watches, $"{who} watches files ({link})");
                break;
            case DescriptorKind.Socket:
                sockets.TryAdd(Descriptors.Inode(link), who);
                break;
            case DescriptorKind.Pipe:
                AddPipeEnd(processDirectory, entry, link, who);
                break;
            case DescriptorKind.DeletedFile:
                InspectDeletedFile(entry, link, who);
                break;
            case DescriptorKind.File:
                // Thousands of processes share their files; each name is judged once.
                if (options.IsPathCarried is { } isCarried && !filesSeen.Contains(link)
                    && ReadAccessMode(processDirectory, entry) is AccessMode.Write or AccessMode.ReadWrite)
                {
                    filesSeen.Add(link);
                    if (!isCarried(link))
                    {
                        findings.Add(TaskCheck.FilesOutside, $"{who} writes {link}");
                    }
                }

                break;
        }
    }

    private void AddPipeEnd(string processDirectory, string entry, string link, string who)
    {
        if (ReadAccessMode(processDirectory, entry) is not { } mode)
        {
            return;
        }

        var inode = Descriptors.Inode(link);
        var ends = pipes.GetValueOrDefault(inode, new PipeEnds(false, false, who));
        pipes[inode] = ends with
        {
            Read = ends.Read || mode != AccessMode.Write,
            Write = ends.Write || mode != AccessMode.Read,
        };
    }

    private void InspectDeletedFile(string entry, string link, string who)
    {
        // CRIU measures allocated bytes: holes are free.
        if (ProcFiles.TryStat(entry) is { } stat && stat.AllocatedBytes > options.GhostLimitBytes)
        {
            findings.Add(TaskCheck.GhostFiles, $"{who} holds {link}, {stat.AllocatedBytes / (1024 * 1024)} MiB");
        }
    }

    private void InspectMappings(string processDirectory, string who)
    {
        try
        {
            foreach (var line in File.ReadLines(Path.Combine(processDirectory, "maps")))
            {
                // The path is the sixth field; anonymous mappings have none, and most lines end the search here.
                var slash = line.IndexOf("/dev/", StringComparison.Ordinal);
                if (slash >= 0 && line.IndexOf('/') == slash && Descriptors.Classify(line[slash..]) == DescriptorKind.Device)
                {
                    findings.Add(TaskCheck.Devices, $"{who} has {line[slash..]} mapped");
                }
                else if (line.EndsWith("anon_inode:[io_uring]", StringComparison.Ordinal))
                {
                    findings.Add(TaskCheck.IoUring, $"{who} has an io_uring mapped");
                }
                else if (line.EndsWith("anon_inode:[perf_event]", StringComparison.Ordinal))
                {
                    findings.Add(TaskCheck.KernelObjects, $"{who} has a perf event mapped");
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone, or not ours to read: the descriptors have been looked at.
        }
    }

    private void InspectSockets()
    {
        if (sockets.Count == 0)
        {
            return;
        }

        var inodes = sockets.Keys.ToHashSet();
        var tcp = TcpTable.Read(Path.Combine(options.ProcRoot, options.RootPid.ToString(CultureInfo.InvariantCulture), "net"));
        var peers = unixPeers.Read();
        foreach (var (inode, who) in sockets)
        {
            if (tcp.TryGet(inode) is { } connection)
            {
                if (tcp.IsInside(connection, inodes))
                {
                    if (!options.TcpEstablished)
                    {
                        findings.Add(TaskCheck.TcpInternal, $"{who} is connected to {connection.Remote}");
                    }
                }
                else
                {
                    findings.Add(Effective(TaskCheck.TcpLost), $"{who} is connected to {connection.Remote}");
                }
            }
            else if (peers.TryGetValue(inode, out var peer) && peer.PeerInode != 0 && !inodes.Contains(peer.PeerInode))
            {
                var name = peers.GetValueOrDefault(peer.PeerInode)?.Name is { Length: > 0 } peerName ? peerName : "a process outside";
                findings.Add(TaskCheck.UnixSockets, $"{who} is connected to {name}");
            }
        }
    }

    private void InspectPipes()
    {
        foreach (var (inode, ends) in pipes)
        {
            if (ends.Read != ends.Write && !options.AgentPipeInodes.Contains(inode))
            {
                findings.Add(TaskCheck.Pipes, $"{ends.Who} {(ends.Read ? "reads from" : "writes to")} pipe {inode}, whose other end is not in the tree");
            }
        }
    }

    // A terminal whose master is in the tree too (script, expect, a Python pty) travels with it.
    private void InspectTerminals()
    {
        foreach (var (terminal, who) in terminals)
        {
            if (!hasTerminalMaster)
            {
                findings.Add(TaskCheck.Terminal, $"{who} has {terminal} open");
            }
        }
    }

    /// <summary>From the flags line of fdinfo, which is octal; null when the descriptor is gone.</summary>
    private static AccessMode? ReadAccessMode(string processDirectory, string entry)
    {
        if (ProcFiles.TryReadText(Path.Combine(processDirectory, "fdinfo", Path.GetFileName(entry))) is not { } text)
        {
            return null;
        }

        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("flags:") && line.Trim() is { Length: > 6 } trimmed)
            {
                // The two lowest bits are all in the last octal digit.
                return (AccessMode)((trimmed[^1] - '0') & 3);
            }
        }

        return null;
    }

    private enum AccessMode
    {
        Read = 0,
        Write = 1,
        ReadWrite = 2,
    }

    private sealed record PipeEnds(bool Read, bool Write, string Who);
}
