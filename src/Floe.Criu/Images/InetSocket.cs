using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Google.Protobuf;

namespace Floe.Criu.Images;

/// <summary>An internet socket of <c>files.img</c> (inet_sk_entry), as far as its addresses go. Port 0: not bound, not connected.</summary>
/// <param name="IsVersion6">The socket's family. Its addresses are IPv4 ones all the same where they are mapped.</param>
/// <param name="State">Of TCP, as the kernel numbers them (net/tcp_states.h).</param>
internal sealed record InetSocket(bool IsVersion6, bool IsTcp, ulong State, IPEndPoint Local, IPEndPoint Remote)
{
    public const ulong StateClosed = 7;
    public const ulong StateCloseWait = 8;

    private const uint Magic = 0x56303138;
    private const int SocketField = 4;
    private const int FamilyField = 3;
    private const int TypeField = 4;
    private const int ProtocolField = 5;
    private const int StateField = 6;
    private const int LocalPortField = 7;
    private const int RemotePortField = 8;
    private const int LocalAddressField = 11;
    private const int RemoteAddressField = 12;
    private const ulong AF_INET6 = 10;
    private const ulong SOCK_STREAM = 1;
    private const ulong IPPROTO_TCP = 6;

    /// <summary>The socket as it shall be; the same or null: as it is.</summary>
    public delegate InetSocket? Edit(InetSocket socket);

    public bool IsConnection => IsTcp && Local.Port > 0 && Remote.Port > 0;

    public bool IsOfLoopback => IPAddress.IsLoopback(Local.Address) && IPAddress.IsLoopback(Remote.Address);

    public (IPEndPoint Local, IPEndPoint Remote) Ends => (Local, Remote);

    public (IPEndPoint Local, IPEndPoint Remote) EndsOfPeer => (Remote, Local);

    /// <summary>The same ports at loopback addresses.</summary>
    public InetSocket AtLoopback()
    {
        var address = Local.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback;
        return this with { Local = new IPEndPoint(address, Local.Port), Remote = new IPEndPoint(address, Remote.Port) };
    }

    /// <summary>The ends of every TCP connection in the image.</summary>
    /// <exception cref="InvalidDataException">Not a <c>files.img</c>.</exception>
    public static HashSet<(IPEndPoint Local, IPEndPoint Remote)> Connections(byte[] image)
    {
        var ends = new HashSet<(IPEndPoint, IPEndPoint)>();
        _ = EditAll(image, socket =>
        {
            if (socket.IsConnection)
            {
                ends.Add(socket.Ends);
            }

            return null;
        });
        return ends;
    }

    /// <summary>The image with every internet socket edited; the same array when none changed.</summary>
    /// <exception cref="InvalidDataException">Not a <c>files.img</c>.</exception>
    public static byte[] EditAll(byte[] image, Edit edit) =>
        ImageEditing.Records(TimerfdMending.ImageName, Magic, image, file => ImageEditing.Messages(file, SocketField, message =>
            Parse(message) is { } socket && edit(socket) is { } edited && edited != socket ? edited.Over(message) : null));

    private static InetSocket? Parse(ReadOnlySpan<byte> message)
    {
        Span<ulong> values = stackalloc ulong[RemotePortField + 1];
        values.Clear();
        List<ulong> local = [];
        List<ulong> remote = [];
        var fields = new ProtoFields(message);
        while (fields.Next())
        {
            if (fields.Number <= RemotePortField && fields.Type == WireFormat.WireType.Varint)
            {
                values[fields.Number] = fields.Value;
            }
            else if (fields.Number is LocalAddressField or RemoteAddressField)
            {
                fields.AddNumbers(fields.Number == LocalAddressField ? local : remote);
            }
        }

        var isVersion6 = values[FamilyField] == AF_INET6;
        return values[LocalPortField] <= ushort.MaxValue && values[RemotePortField] <= ushort.MaxValue
            && Address(local, isVersion6) is { } localAddress && Address(remote, isVersion6) is { } remoteAddress
            ? new InetSocket(
                isVersion6, values[ProtocolField] == IPPROTO_TCP && values[TypeField] == SOCK_STREAM, values[StateField],
                new IPEndPoint(localAddress, (int)values[LocalPortField]), new IPEndPoint(remoteAddress, (int)values[RemotePortField]))
            : null;
    }

    /// <summary>The words are the address's bytes as they lie in memory.</summary>
    private static IPAddress? Address(List<ulong> words, bool isVersion6)
    {
        var count = isVersion6 ? 4 : 1;
        if (words.Count < count)
        {
            return null;
        }

        var bytes = new byte[count * sizeof(uint)];
        for (var i = 0; i < count; i++)
        {
            MemoryMarshal.Write(bytes.AsSpan(i * sizeof(uint)), (uint)words[i]);
        }

        var address = new IPAddress(bytes);
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <summary>The message with this socket's state and ends; everything else as CRIU wrote it.</summary>
    private byte[] Over(ReadOnlySpan<byte> message)
    {
        var output = new ArrayBufferWriter<byte>(message.Length + 32);
        var fields = new ProtoFields(message);
        while (fields.Next())
        {
            if (fields.Number is not (StateField or LocalPortField or RemotePortField or LocalAddressField or RemoteAddressField))
            {
                output.Write(fields.Raw);
            }
        }

        // The order of fields means nothing.
        ImageEditing.WriteNumber(output, StateField, State);
        ImageEditing.WriteNumber(output, LocalPortField, (ulong)Local.Port);
        ImageEditing.WriteNumber(output, RemotePortField, (ulong)Remote.Port);
        WriteAddress(output, LocalAddressField, Local.Address);
        WriteAddress(output, RemoteAddressField, Remote.Address);
        return output.WrittenSpan.ToArray();
    }

    private void WriteAddress(ArrayBufferWriter<byte> output, int field, IPAddress address)
    {
        // The wildcard is the same in both families, and no mapped address.
        var bytes = !IsVersion6 ? address.GetAddressBytes() : address.Equals(IPAddress.Any) ? IPAddress.IPv6Any.GetAddressBytes() : address.MapToIPv6().GetAddressBytes();
        foreach (var word in MemoryMarshal.Cast<byte, uint>(bytes))
        {
            ImageEditing.WriteNumber(output, field, word);
        }
    }
}
