using System.Runtime.InteropServices;
using Floe.Fuse.Protocol;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse.Serving;

/// <summary>One descriptor of the connection. An answer must go back through the descriptor that its request came from.</summary>
internal sealed unsafe class FuseChannel(SafeFileHandle device) : IDisposable
{
    private const int O_NONBLOCK = 0x800;

    /// <summary>Bytes of a message's header, in front of every answer's body.</summary>
    public const int HeaderBytes = 16;

    public static SafeFileHandle OpenDevice()
    {
        const int O_RDWR = 2;
        const int O_CLOEXEC = 0x80000;
        var device = Interop.openat(Interop.AT_FDCWD, "/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
        if (!device.IsInvalid)
        {
            return device;
        }

        var errno = Marshal.GetLastPInvokeError();
        device.Dispose();
        throw new LinuxException("open /dev/fuse (a container needs the device: --device /dev/fuse, or privileged)", errno);
    }

    public static FuseChannel Clone(SafeFileHandle connection)
    {
        var device = OpenDevice();
        var source = (uint)connection.DangerousGetHandle();
        // SAFETY: the kernel reads one u32 during the call.
        if (Interop.ioctl((int)device.DangerousGetHandle(), FuseConstants.FUSE_DEV_IOC_CLONE, &source) < 0)
        {
            var error = LinuxException.Last("ioctl(FUSE_DEV_IOC_CLONE)");
            device.Dispose();
            throw error;
        }

        return new FuseChannel(device);
    }

    /// <summary>The next request, waited for. 0: the connection is gone, or <paramref name="stop"/> was signalled.</summary>
    /// <param name="stop">An eventfd.</param>
    public int Receive(RequestBuffer buffer, SafeFileHandle stop)
    {
        var descriptors = stackalloc Interop.PollFd[2];
        while (true)
        {
            var read = Interop.read(Descriptor, buffer.Pointer, (nuint)buffer.Length);
            if (read > 0)
            {
                return (int)read;
            }

            switch (read == 0 ? Errno.ENODEV : Marshal.GetLastPInvokeError())
            {
                // ENOENT: the request was given up by its caller before it could be read.
                case Errno.EINTR or Errno.ENOENT:
                    continue;
                case Errno.EAGAIN:
                    break;
                // ENODEV (unmounted), ECONNABORTED and whatever else: no further request can be had here.
                default:
                    return 0;
            }

            descriptors[0] = new Interop.PollFd { Descriptor = Descriptor, Events = Interop.POLLIN };
            descriptors[1] = new Interop.PollFd { Descriptor = (int)stop.DangerousGetHandle(), Events = Interop.POLLIN };
            // SAFETY: two entries on this stack; both descriptors live as long as the server's threads.
            if (Interop.poll(descriptors, 2, -1) < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                return 0;
            }

            if (descriptors[1].Returned != 0)
            {
                return 0;
            }
        }
    }

    /// <summary>The errno of a message that was refused, 0 for one that arrived. Errors mean that nobody waits any more (killed, unmounted).</summary>
    /// <param name="body">Sent behind the message.</param>
    public int TrySend(ReadOnlySpan<byte> message, ReadOnlySpan<byte> body = default)
    {
        var vectors = stackalloc Interop.IoVec[2];
        // SAFETY: pinned for the call, with their exact lengths.
        fixed (byte* head = message)
        fixed (byte* tail = body)
        {
            vectors[0] = new Interop.IoVec { Base = head, Length = (nuint)message.Length };
            vectors[1] = new Interop.IoVec { Base = tail, Length = (nuint)body.Length };
            nint written;
            do
            {
                written = Interop.writev(Descriptor, vectors, body.IsEmpty ? 1 : 2);
            }
            while (written < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
            return written < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }

    public int Control(ulong request, void* argument) => Interop.ioctl(Descriptor, request, argument);

    public void Dispose() => device.Dispose();

    private int Descriptor => (int)device.DangerousGetHandle();
}
