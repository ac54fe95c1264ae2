using System.Net.Sockets;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// Reads CRIU's side of an image stream connection: frames of u32 little-endian length and a protobuf message, and single
/// descriptors, each with one dummy byte. Never reads past a frame: the next byte may be the one that carries a descriptor.
/// </summary>
internal sealed unsafe class DescriptorSocket(Socket socket)
{
    private readonly int _fd = (int)socket.Handle;

    /// <summary>A request's file name; null at the end of the connection.</summary>
    /// <exception cref="ImageStreamException">Not a request, or the connection broke inside one.</exception>
    public string? ReadRequest()
    {
        Span<byte> header = stackalloc byte[4];
        if (!ReadExactly(header, endAllowed: true))
        {
            return null;
        }

        var length = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (length is 0 or > StreamFrames.MaxRequestBytes)
        {
            throw new ImageStreamException($"CRIU sent a request of {length} bytes");
        }

        Span<byte> body = stackalloc byte[(int)length];
        ReadExactly(body, endAllowed: false);
        return StreamFrames.ParseRequest(body);
    }

    /// <summary>The descriptor that follows a request. The caller owns it.</summary>
    public SafeFileHandle ReadDescriptor()
    {
        byte dummy;
        Interop.DescriptorControl control = default;
        var vector = new Interop.IoVec { Base = &dummy, Length = 1 };
        var message = new Interop.MsgHdr
        {
            Vectors = &vector,
            VectorCount = 1,
            Control = &control,
            ControlLength = (nuint)sizeof(Interop.DescriptorControl),
        };

        // SAFETY: every pointer in the header is to a local of this frame.
        nint count;
        do
        {
            count = Interop.recvmsg(_fd, &message, Interop.MSG_CMSG_CLOEXEC);
        }
        while (count < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);

        if (count < 0)
        {
            throw LinuxException.Last("recvmsg on the image stream");
        }

        var received = message.ControlLength >= Interop.DescriptorControl.LengthOfOne && control is
        {
            Level: Interop.SOL_SOCKET, Type: Interop.SCM_RIGHTS, Length: Interop.DescriptorControl.LengthOfOne,
        };
        var handle = received ? new SafeFileHandle(control.Descriptor, ownsHandle: true) : null;
        if (count != 1 || handle is null || (message.Flags & Interop.MSG_CTRUNC) != 0)
        {
            handle?.Dispose();
            throw new ImageStreamException("CRIU sent no pipe where one belongs");
        }

        return handle;
    }

    /// <summary>Tells CRIU whether a file exists.</summary>
    public void WriteReply(bool exists)
    {
        var frame = StreamFrames.Reply(exists);
        fixed (byte* start = frame)
        {
            // Six bytes fit a socket that holds nothing else; CRIU reads each reply before it asks again.
            nint count;
            do
            {
                count = Interop.write(_fd, start, (nuint)frame.Length);
            }
            while (count < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);

            if (count != frame.Length)
            {
                throw LinuxException.Last("write to the image stream");
            }
        }
    }

    private bool ReadExactly(Span<byte> target, bool endAllowed)
    {
        var filled = 0;
        fixed (byte* start = target)
        {
            while (filled < target.Length)
            {
                var count = Interop.read(_fd, start + filled, (nuint)(target.Length - filled));
                if (count < 0)
                {
                    if (Marshal.GetLastPInvokeError() == Errno.EINTR)
                    {
                        continue;
                    }

                    throw LinuxException.Last("read from the image stream");
                }

                if (count == 0)
                {
                    return endAllowed && filled == 0 ? false : throw new ImageStreamException("CRIU broke off inside a request");
                }

                filled += (int)count;
            }
        }

        return true;
    }
}
