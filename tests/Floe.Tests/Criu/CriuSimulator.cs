using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>CRIU's side of the image stream, byte for byte as criu/img-streamer.c does it, and able to do it wrong.</summary>
internal sealed unsafe class CriuSimulator : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public CriuSimulator(string socketPath) => _socket.Connect(new UnixDomainSocketEndPoint(socketPath));

    /// <summary>Announces a file at a dump and returns the end of its pipe to write to; disposing that ends the file.</summary>
    public FileStream Open(string name)
    {
        SendRequest(name);
        return SendPipe(giveReadEnd: true, FileAccess.Write);
    }

    /// <summary>A whole file at a dump.</summary>
    public void Send(string name, ReadOnlySpan<byte> content)
    {
        using var file = Open(name);
        file.Write(content);
    }

    /// <summary>Asks for a file at a restore; null when it does not exist. The stream ends with the file.</summary>
    public FileStream? Ask(string name)
    {
        SendRequest(name);
        return AwaitReply(andRead: true) ? SendPipe(giveReadEnd: false, FileAccess.Read) : null;
    }

    /// <summary>Waits for the reply to a request, and tells whether the file exists; without <paramref name="andRead"/> it stays unread.</summary>
    public bool AwaitReply(bool andRead)
    {
        var reply = new byte[6];
        for (var filled = 0; filled < reply.Length;)
        {
            var count = _socket.Receive(reply.AsSpan(filled), andRead ? SocketFlags.None : SocketFlags.Peek);
            Assert.NotEqual(0, count);
            filled += count;
        }

        Assert.Equal([2, 0, 0, 0, 8], reply[..5]);
        return reply[5] != 0;
    }

    public void SendRequest(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        var message = new List<byte> { 0x0a };
        for (var length = bytes.Length; ;)
        {
            message.Add((byte)(length >= 0x80 ? (length & 0x7f) | 0x80 : length));
            length >>= 7;
            if (length == 0)
            {
                break;
            }
        }

        message.AddRange(bytes);
        SendFrame([.. message]);
    }

    public void SendFrame(byte[] message)
    {
        var frame = new byte[4 + message.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, message.Length);
        message.CopyTo(frame, 4);
        SendBytes(frame);
    }

    public void SendBytes(params byte[] bytes) => Assert.Equal(bytes.Length, _socket.Send(bytes));

    public void Dispose() => _socket.Dispose();

    private FileStream SendPipe(bool giveReadEnd, FileAccess own)
    {
        var ends = stackalloc int[2];
        Assert.Equal(0, Interop.pipe2(ends, Interop.O_CLOEXEC));
        byte dummy = 0;
        var control = new Interop.DescriptorControl
        {
            Length = Interop.DescriptorControl.LengthOfOne,
            Level = Interop.SOL_SOCKET,
            Type = Interop.SCM_RIGHTS,
            Descriptor = giveReadEnd ? ends[0] : ends[1],
        };
        var vector = new Interop.IoVec { Base = &dummy, Length = 1 };
        var message = new Interop.MsgHdr
        {
            Vectors = &vector,
            VectorCount = 1,
            Control = &control,
            ControlLength = Interop.DescriptorControl.LengthOfOne,
        };
        var sent = Interop.sendmsg((int)_socket.Handle, &message, 0);
        _ = Interop.close(control.Descriptor);
        Assert.Equal(1, sent);
        return new FileStream(new SafeFileHandle(giveReadEnd ? ends[1] : ends[0], true), own, 1);
    }
}
