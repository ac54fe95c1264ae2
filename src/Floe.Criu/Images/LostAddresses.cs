using System.Net;
using System.Net.Sockets;

namespace Floe.Criu.Images;

/// <summary>
/// Sockets of <c>files.img</c> that are bound to an address of the machine that the task was on, which this one may not have: CRIU cannot restore them
/// as they are. A connection inside the task goes on between loopback addresses; whoever listened there listens at every address.
/// </summary>
public static class LostAddresses
{
    public const string ImageName = TimerfdMending.ImageName;

    /// <summary>The image for this machine; the same array when there is nothing to change.</summary>
    /// <exception cref="InvalidDataException">Not a <c>files.img</c>.</exception>
    public static byte[] Mend(byte[] image) => Mend(image, IsHere);

    internal static byte[] Mend(byte[] image, Func<IPAddress, bool> isHere)
    {
        var known = new Dictionary<IPAddress, bool>();
        var connections = InetSocket.Connections(image);
        return InetSocket.EditAll(image, socket =>
        {
            if (socket.Local.Port == 0 || IPAddress.IsLoopback(socket.Local.Address) || Knows(socket.Local.Address))
            {
                return null;
            }

            if (!socket.IsConnection)
            {
                return socket with { Local = new(socket.Local.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, socket.Local.Port) };
            }

            var mended = socket.AtLoopback();
            return connections.Contains(socket.EndsOfPeer) && !connections.Contains(mended.Ends) ? mended : null;
        });

        bool Knows(IPAddress address) => known.TryGetValue(address, out var here) ? here : known[address] = isHere(address);
    }

    /// <summary>False only where the kernel says so.</summary>
    private static bool IsHere(IPAddress address)
    {
        try
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(address, 0));
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode != SocketError.AddressNotAvailable;
        }
    }
}
