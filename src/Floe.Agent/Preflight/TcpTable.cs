using System.Globalization;
using System.Net;

namespace Floe.Agent.Preflight;

/// <summary>The TCP connections of a network namespace, from /proc/net/tcp and tcp6. Source: Documentation/networking/proc_net_tcp.rst.</summary>
internal sealed class TcpTable
{
    private const int StateListen = 0x0A;
    private const int StateCloseWait = 0x08;
    private readonly Dictionary<ulong, TcpConnection> byInode = [];
    private readonly Dictionary<(IPEndPoint Local, IPEndPoint Remote), ulong> byEnds = [];

    public static TcpTable Read(string netDirectory)
    {
        var table = new TcpTable();
        foreach (var name in (string[])["tcp", "tcp6"])
        {
            try
            {
                foreach (var line in File.ReadLines(Path.Combine(netDirectory, name)).Skip(1))
                {
                    table.AddLine(line);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // No IPv6, or the process is gone: what was read counts.
            }
        }

        return table;
    }

    /// <summary>The connection of a socket; null when it is none (listening, unconnected, or no TCP at all).</summary>
    public TcpConnection? TryGet(ulong inode) => byInode.GetValueOrDefault(inode);

    /// <summary>Whether the other end of the connection is one of these sockets, or was: who has sent its last byte may have closed it.</summary>
    public bool IsInside(TcpConnection connection, IReadOnlySet<ulong> inodes) =>
        (byEnds.TryGetValue((connection.Remote, connection.Local), out var peer) && inodes.Contains(peer)) || connection is { IsEnding: true, IsLoopback: true };

    /// <summary>Whether any connection has both ends on this machine: most have none, and need no look at what a task has open.</summary>
    public bool HasLocal() => byInode.Values.Any(c => byEnds.ContainsKey((c.Remote, c.Local)) || c is { IsEnding: true, IsLoopback: true });

    internal void AddLine(string line)
    {
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 10
            || TryParseEnd(fields[1]) is not { } local
            || TryParseEnd(fields[2]) is not { } remote
            || !int.TryParse(fields[3], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var state)
            || !ulong.TryParse(fields[9], NumberStyles.None, CultureInfo.InvariantCulture, out var inode)
            || state == StateListen
            || inode == 0)
        {
            return;
        }

        byInode[inode] = new TcpConnection(local, remote, IsEnding: state == StateCloseWait);
        byEnds[(local, remote)] = inode;
    }

    // Address bytes are printed as 32-bit words of the machine's byte order, the port as a number.
    private static IPEndPoint? TryParseEnd(string text)
    {
        var colon = text.IndexOf(':');
        if (colon is not (8 or 32) || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var port)
            || port is < 0 or > 65535)
        {
            return null;
        }

        var bytes = new byte[colon / 2];
        for (var word = 0; word < bytes.Length / 4; word++)
        {
            if (!uint.TryParse(text.AsSpan(word * 8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                return null;
            }

            BitConverter.TryWriteBytes(bytes.AsSpan(word * 4), value);
        }

        var address = new IPAddress(bytes);
        return new IPEndPoint(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, port);
    }
}

/// <param name="IsEnding">The other end has sent its last byte.</param>
internal sealed record TcpConnection(IPEndPoint Local, IPEndPoint Remote, bool IsEnding)
{
    public bool IsLoopback => IPAddress.IsLoopback(Remote.Address);
}
