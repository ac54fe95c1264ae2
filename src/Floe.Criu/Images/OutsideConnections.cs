namespace Floe.Criu.Images;

/// <summary>
/// Closes TCP connections to the outside in <c>files.img</c>, and keeps those that have both ends in it. CRIU can only keep all of a task's connections
/// or none, and one to another machine cannot be restored where its address is not to be had. What was closed is restored as CRIU restores with
/// <c>--tcp-close</c>: a socket that is not connected.
/// </summary>
internal static class OutsideConnections
{
    /// <summary>The image with the connections closed; the same array when there are none.</summary>
    /// <exception cref="InvalidDataException">Not a <c>files.img</c>.</exception>
    public static byte[] Close(byte[] image)
    {
        var connections = InetSocket.Connections(image);
        return connections.Count == 0 ? image : InetSocket.EditAll(image, socket =>
        {
            // Whoever has sent its last byte may have no descriptor any more, and what it sent be unread.
            var isInside = connections.Contains(socket.EndsOfPeer) || (socket.State == InetSocket.StateCloseWait && socket.IsOfLoopback);
            return !socket.IsConnection || isInside ? null
                : socket with { State = InetSocket.StateClosed, Local = new(socket.Local.Address, 0), Remote = new(socket.Remote.Address, 0) };
        });
    }
}
