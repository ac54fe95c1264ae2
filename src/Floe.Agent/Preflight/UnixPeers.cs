namespace Floe.Agent.Preflight;

/// <param name="PeerInode">The socket at the other end; 0 when there is none (listening, unconnected, or the other end is closed).</param>
/// <param name="Name">Path or '@' and abstract name; empty when unnamed.</param>
internal sealed record UnixPeer(ulong PeerInode, string Name);

/// <summary>Which unix sockets are connected to which; /proc does not tell.</summary>
internal interface IUnixPeerTable
{
    /// <summary>By inode; empty where the kernel does not tell.</summary>
    IReadOnlyDictionary<ulong, UnixPeer> Read();
}
