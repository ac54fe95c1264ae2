using System.Buffers.Binary;
using System.Net;
using Floe.Criu.Images;
using Google.Protobuf;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>What becomes of internet sockets in files.img: at a dump (<see cref="OutsideConnections"/>) and on a machine with other addresses (<see cref="LostAddresses"/>).</summary>
public sealed class InetSocketTests
{
    private const uint Tcp = 6;
    private const uint Udp = 17;
    private const uint Established = 1;
    private const uint Closed = 7;
    private const uint CloseWait = 8;
    private const uint Listening = 10;

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("10.0.0.5", "10.0.0.5")]
    [InlineData("10.0.0.5", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("::ffff:127.0.0.1", "127.0.0.1")]
    public void Close_BothEndsInTheImage_StayAsTheyAre(string one, string other)
    {
        var image = Image(Socket(1, Tcp, Established, one, 40000, other, 80), Socket(2, Tcp, Established, other, 80, one, 40000), Socket(3, Tcp, Listening, "0.0.0.0", 80, "0.0.0.0", 0));
        Assert.Same(image, OutsideConnections.Close(image));
    }

    [Fact]
    public void Close_OtherEndElsewhere_IsNotConnectedAndAllElseIsKept()
    {
        var inside = Socket(1, Tcp, Established, "127.0.0.1", 40000, "127.0.0.1", 80);
        var peer = Socket(2, Tcp, Established, "127.0.0.1", 80, "127.0.0.1", 40000);
        var udp = Socket(3, Udp, Established, "10.0.0.5", 5000, "10.9.9.9", 53);
        var closed = Parse(OutsideConnections.Close(Image(
            inside, Socket(4, Tcp, Established, "10.0.0.5", 40000, "10.9.9.9", 443), peer, udp, Socket(5, Tcp, Established, "127.0.0.1", 40002, "127.0.0.1", 6379))));
        Assert.Equal([Describe(inside), "4 10.0.0.5:0 10.9.9.9:0 state 7 flags 2050", Describe(peer), Describe(udp), "5 127.0.0.1:0 127.0.0.1:0 state 7 flags 2050"], closed);
        Assert.Equal(Closed, InetSocket.StateClosed);
    }

    [Fact]
    public void Close_PeerHasSaidAllAndIsGone_IsKeptOnThisMachineOnly()
    {
        var image = Image(Socket(1, Tcp, CloseWait, "127.0.0.1", 40000, "127.0.0.1", 80), Socket(2, Tcp, CloseWait, "10.0.0.5", 40000, "10.9.9.9", 80));
        Assert.Equal(["1 127.0.0.1:40000 127.0.0.1:80 state 8 flags 2050", "2 10.0.0.5:0 10.9.9.9:0 state 7 flags 2050"], Parse(OutsideConnections.Close(image)));
    }

    [Fact]
    public void Mend_AddressThatThisMachineLacks_LoopbackInsideAndEveryAddressForListeners()
    {
        var image = Image(
            Socket(1, Tcp, Established, "10.0.0.5", 40000, "10.0.0.5", 80), Socket(2, Tcp, Established, "::ffff:10.0.0.5", 80, "::ffff:10.0.0.5", 40000),
            Socket(3, Tcp, Established, "fd00::5", 40000, "fd00::5", 80), Socket(4, Tcp, Established, "fd00::5", 80, "fd00::5", 40000),
            Socket(5, Tcp, Listening, "10.0.0.5", 80, "0.0.0.0", 0), Socket(6, Udp, Closed, "fd00::5", 53, "::", 0), Socket(7, Tcp, Established, "10.0.0.5", 40001, "10.9.9.9", 80),
            Socket(8, Tcp, Listening, "::ffff:10.0.0.5", 81, "::", 0));
        Assert.Equal(
            [
                "1 127.0.0.1:40000 127.0.0.1:80 state 1 flags 2050", "2 [::ffff:127.0.0.1]:80 [::ffff:127.0.0.1]:40000 state 1 flags 2050",
                "3 [::1]:40000 [::1]:80 state 1 flags 2050", "4 [::1]:80 [::1]:40000 state 1 flags 2050",
                "5 0.0.0.0:80 0.0.0.0:0 state 10 flags 2050", "6 [::]:53 [::]:0 state 7 flags 2050",
                // Kept by --tcp=established: CRIU says what is missing.
                "7 10.0.0.5:40001 10.9.9.9:80 state 1 flags 2050", "8 [::]:81 [::]:0 state 10 flags 2050",
            ],
            Parse(LostAddresses.Mend(image, _ => false)));
        Assert.Same(image, LostAddresses.Mend(image, _ => true));
    }

    [Fact]
    public void Mend_LoopbackPortsAreTaken_StaysAsItIs()
    {
        var image = Image(
            Socket(1, Tcp, Established, "10.0.0.5", 40000, "10.0.0.5", 80), Socket(2, Tcp, Established, "10.0.0.5", 80, "10.0.0.5", 40000),
            Socket(3, Tcp, Established, "127.0.0.1", 40000, "127.0.0.1", 80), Socket(4, Tcp, Established, "127.0.0.1", 80, "127.0.0.1", 40000));
        Assert.Same(image, LostAddresses.Mend(image, _ => false));
    }

    [Fact]
    public void Mend_AddressesOfThisMachine_AreFound()
    {
        var image = Image(Socket(1, Tcp, Listening, "127.0.0.2", 80, "0.0.0.0", 0), Socket(2, Tcp, Listening, "0.0.0.0", 81, "0.0.0.0", 0), Socket(3, Tcp, Listening, "203.0.113.77", 82, "0.0.0.0", 0));
        Assert.Equal(
            ["1 127.0.0.2:80 0.0.0.0:0 state 10 flags 2050", "2 0.0.0.0:81 0.0.0.0:0 state 10 flags 2050", "3 0.0.0.0:82 0.0.0.0:0 state 10 flags 2050"], Parse(LostAddresses.Mend(image)));
    }

    private static byte[] Image(params byte[][] sockets)
    {
        using var image = new MemoryStream();
        Span<byte> number = stackalloc byte[4];
        foreach (var magic in (uint[])[ImageRecords.CommonMagic, 0x56303138])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(number, magic);
            image.Write(number);
        }

        foreach (var socket in sockets)
        {
            var file = Message(output =>
            {
                Write(output, 1, 4);
                Write(output, 2, 7);
                output.WriteTag(4, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(socket));
            });
            BinaryPrimitives.WriteInt32LittleEndian(number, file.Length);
            image.Write(number);
            image.Write(file);
        }

        return image.ToArray();
    }

    private static byte[] Socket(uint id, uint protocol, uint state, string local, uint localPort, string remote, uint remotePort) => Message(output =>
    {
        var isVersion6 = local.Contains(':', StringComparison.Ordinal);
        var values = (uint[])[0, id, id, isVersion6 ? 10u : 2u, protocol == Tcp ? 1u : 2u, protocol, state, localPort, remotePort, 2050];
        for (var field = 1; field < values.Length; field++)
        {
            Write(output, field, values[field]);
        }

        foreach (var (field, address) in ((int, string)[])[(11, local), (12, remote)])
        {
            var bytes = isVersion6 ? IPAddress.Parse(address).MapToIPv6().GetAddressBytes() : IPAddress.Parse(address).MapToIPv4().GetAddressBytes();
            bytes = address == "::" ? new byte[16] : bytes;
            for (var i = 0; i < bytes.Length; i += 4)
            {
                Write(output, field, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(i)));
            }
        }
    });

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var output = new CodedOutputStream(bytes, leaveOpen: true))
        {
            write(output);
        }

        return bytes.ToArray();
    }

    private static void Write(CodedOutputStream output, int field, uint value)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteUInt32(value);
    }

    private static List<string> Parse(byte[] image)
    {
        var sockets = new List<string>();
        for (var rest = image.AsSpan(8); !rest.IsEmpty;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(rest);
            var file = new ProtoFields(rest.Slice(4, length));
            while (file.Next())
            {
                if (file.Number == 4)
                {
                    sockets.Add(Describe(file.Bytes.ToArray()));
                }
            }

            rest = rest[(4 + length)..];
        }

        return sockets;
    }

    private static string Describe(byte[] socket)
    {
        var values = new Dictionary<int, ulong>();
        List<ulong> local = [];
        List<ulong> remote = [];
        var fields = new ProtoFields(socket);
        while (fields.Next())
        {
            if (fields.Number is 11 or 12)
            {
                fields.AddNumbers(fields.Number == 11 ? local : remote);
            }
            else
            {
                values[fields.Number] = fields.Value;
            }
        }

        return $"{values[1]} {End(local, values[7])} {End(remote, values[8])} state {values[6]} flags {values[9]}";

        static string End(List<ulong> words, ulong port) => new IPEndPoint(new IPAddress(words.SelectMany(w => BitConverter.GetBytes((uint)w)).ToArray()), (int)port).ToString();
    }
}
