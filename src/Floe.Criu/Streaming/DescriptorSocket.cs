using System.Net.Sockets;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// Reads CRIU's side of an image stream connection: frames of u32 little-endian length and a protobuf message, and single
/// descriptors, each with one dummy byte. Never reads past a frame: the next byte may be the one that carries a descriptor.
/// CRIU's processes share the connection, so one that dies inside a request leaves it open and the rest unsaid: every read ends when
/// <paramref name="wake"/> can be read.
/// </summary>
internal sealed unsafe class DescriptorSocket(Socket socket, SafeFileHandle wake)
{
    private readonly int _fd = (int)socket.Handle;

    /// <summary>A request's file name; null at the end of the connection.</summary>
    /// <exception cref="ImageStreamException">Not a request, or the connection broke inside one, or was to end there.</exception>
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
        Wait();
        do
        {
            count = Interop.recvmsg(_fd, &message, Interop.MSG_CMSG_CLOEXEC);
        }
        while (count < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);

        if (count < 0)
        {
            throw Broken("recvmsg on the image stream");
        }

        if (count == 0)
        {
            throw BrokenOff();
        }

        var received = message.ControlLength >= Interop.DescriptorControl.LengthOfOne && control is
        {
            Level: Interop.SOL_SOCKET, Type: Interop.SCM_RIGHTS, Length: Interop.DescriptorControl.LengthOfOne,
        };
        var handle = received ? new SafeFileHandle(control.Descriptor, ownsHandle: true) : null;
        if (handle is null || (message.Flags & Interop.MSG_CTRUNC) != 0)
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
                throw Broken("write to the image stream");
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
                Wait();
                var count = Interop.read(_fd, start + filled, (nuint)(target.Length - filled));
                if (count < 0)
                {
                    if (Marshal.GetLastPInvokeError() == Errno.EINTR)
                    {
                        continue;
                    }

                    throw Broken("read from the image stream");
                }

                if (count == 0)
                {
                    return endAllowed && filled == 0 ? false : throw BrokenOff();
                }

                filled += (int)count;
            }
        }

        return true;
    }

    /// <summary>Returns when there is something to read, or the connection's end.</summary>
    private void Wait()
    {
        var polled = stackalloc Interop.PollFd[2];
        polled[0] = new() { Descriptor = (int)wake.DangerousGetHandle(), Events = Interop.POLLIN };
        polled[1] = new() { Descriptor = _fd, Events = Interop.POLLIN };
        while (Interop.poll(polled, 2, -1) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw LinuxException.Last("poll of the image stream");
            }
        }

        if (polled[0].Returned != 0)
        {
            throw new ImageStreamException("the image stream was ended inside a request");
        }
    }

    /// <summary>The last call's error. Who dies with a reply unread resets the connection.</summary>
    private static Exception Broken(string call) =>
        Marshal.GetLastPInvokeError() is Errno.EPIPE or Errno.ECONNRESET ? BrokenOff() : LinuxException.Last(call);

    private static ImageStreamException BrokenOff() => new("CRIU broke off inside a request") { IsBrokenOff = true };
}
