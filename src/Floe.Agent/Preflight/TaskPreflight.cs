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
    private readonly DescriptorInspection descriptors;

    private TaskPreflight(TaskPreflightOptions options, IUnixPeerTable unixPeers)
    {
        this.options = options;
        this.unixPeers = unixPeers;
        descriptors = new DescriptorInspection(options, findings);
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
        descriptors.Finish();
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

        descriptors.Inspect(directory, who);
    }

    // With any of them the dump is refused: by CRIU, or (mnt, net) by Floe, because CRIU could not restore it.
    private Dictionary<string, string> ReadNamespaces(int pid)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var kind in (string[])["mnt", "net", "pid", "ipc", "uts", "user", "time", "cgroup"])
        {
            var path = Path.Combine(options.ProcRoot, pid.ToString(CultureInfo.InvariantCulture), "ns", kind);
            if (ProcFiles.TryReadLink(path) is { } identity)
            {
                result[kind] = identity;
            }
        }

        return result;
    }

    private void InspectSockets()
    {
        if (descriptors.Sockets.Count == 0)
        {
            return;
        }

        var inodes = descriptors.Sockets.Keys.ToHashSet();
        var tcp = TcpTable.Read(Path.Combine(options.ProcRoot, options.RootPid.ToString(CultureInfo.InvariantCulture), "net"));
        var peers = unixPeers.Read();
        foreach (var (inode, who) in descriptors.Sockets)
        {
            if (tcp.TryGet(inode) is { } connection)
            {
                if (!tcp.IsInside(connection, inodes))
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
}
