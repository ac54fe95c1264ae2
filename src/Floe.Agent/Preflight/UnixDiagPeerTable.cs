using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>The kernel's own list, of the network namespace that the agent shares with the task.</summary>
internal sealed class UnixDiagPeerTable : IUnixPeerTable
{
    public IReadOnlyDictionary<ulong, UnixPeer> Read()
    {
        var table = new Dictionary<ulong, UnixPeer>();
        try
        {
            foreach (var socket in UnixSockets.List())
            {
                table[socket.Inode] = new UnixPeer(socket.PeerInode, socket.Name);
            }
        }
        catch (LinuxException)
        {
            // A kernel without unix_diag: the dump will say what this check cannot.
            table.Clear();
        }

        return table;
    }
}
