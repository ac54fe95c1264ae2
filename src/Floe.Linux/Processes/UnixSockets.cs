using System.Runtime.InteropServices;
using System.Text;

namespace Floe.Linux.Processes;

/// <summary>A unix socket of this network namespace.</summary>
/// <param name="PeerInode">The connected one; 0 for none.</param>
/// <param name="Name">Path, or '@' and the abstract name; empty when unnamed.</param>
public readonly record struct UnixSocket(uint Inode, uint PeerInode, string Name);

/// <summary>Lists unix sockets with their peers through sock_diag(7), which tells what /proc/net/unix does not.</summary>
public static unsafe class UnixSockets
{
    private const int HeaderBytes = 16;
    private const int RequestBytes = HeaderBytes + 24;
    private const int MessageBytes = 16;
    private const ushort SOCK_DIAG_BY_FAMILY = 20;
    private const ushort NLM_F_REQUEST_DUMP = 0x301;
    private const ushort NLMSG_ERROR = 2;
    private const ushort NLMSG_DONE = 3;
    private const uint UDIAG_SHOW_NAME = 1;
    private const uint UDIAG_SHOW_PEER = 4;
    private const ushort UNIX_DIAG_NAME = 0;
    private const ushort UNIX_DIAG_PEER = 2;

    /// <exception cref="LinuxException">The kernel has no unix_diag (ENOENT) or refuses.</exception>
    public static List<UnixSocket> List()
    {
        var fd = Interop.socket(Interop.AF_NETLINK, Interop.SOCK_RAW | Interop.SOCK_CLOEXEC, Interop.NETLINK_SOCK_DIAG);
        if (fd < 0)
        {
            throw LinuxException.Last("socket(NETLINK_SOCK_DIAG)");
        }

        try
        {
            Send(fd);
            return Receive(fd);
        }
        finally
        {
            _ = Interop.close(fd);
        }
    }

    private static void Send(int fd)
    {
        // struct nlmsghdr, then struct unix_diag_req of linux/unix_diag.h, in the machine's byte order.
        Span<byte> request = stackalloc byte[RequestBytes];
        request.Clear();
        MemoryMarshal.Write(request, (uint)RequestBytes);
        MemoryMarshal.Write(request[4..], SOCK_DIAG_BY_FAMILY);
        MemoryMarshal.Write(request[6..], NLM_F_REQUEST_DUMP);
        request[16] = Interop.AF_UNIX;
        MemoryMarshal.Write(request[20..], uint.MaxValue);
        MemoryMarshal.Write(request[28..], UDIAG_SHOW_NAME | UDIAG_SHOW_PEER);
        fixed (byte* bytes = request)
        {
            // SAFETY: the kernel copies the request during the call.
            if (Interop.write(fd, bytes, RequestBytes) != RequestBytes)
            {
                throw LinuxException.Last("write(NETLINK_SOCK_DIAG)");
            }
        }
    }

    private static List<UnixSocket> Receive(int fd)
    {
        var sockets = new List<UnixSocket>();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            nint length;
            fixed (byte* bytes = buffer)
            {
                // SAFETY: the buffer is pinned for the call; a dump's datagrams are at most 32 KiB.
                length = Interop.read(fd, bytes, (nuint)buffer.Length);
            }

            if (length < 0)
            {
                if (Marshal.GetLastPInvokeError() == Errno.EINTR)
                {
                    continue;
                }

                throw LinuxException.Last("read(NETLINK_SOCK_DIAG)");
            }

            if (length == 0 || !Parse(buffer.AsSpan(0, (int)length), sockets))
            {
                return sockets;
            }
        }
    }

    /// <returns>False when the list has ended.</returns>
    private static bool Parse(ReadOnlySpan<byte> datagram, List<UnixSocket> sockets)
    {
        while (datagram.Length >= HeaderBytes)
        {
            var length = (int)MemoryMarshal.Read<uint>(datagram);
            var type = MemoryMarshal.Read<ushort>(datagram[4..]);
            if (length < HeaderBytes || length > datagram.Length)
            {
                return false;
            }

            switch (type)
            {
                case NLMSG_DONE:
                    return false;
                case NLMSG_ERROR:
                    throw new LinuxException("sock_diag(AF_UNIX)", length >= HeaderBytes + 4 ? -MemoryMarshal.Read<int>(datagram[HeaderBytes..]) : Errno.EIO);
                case SOCK_DIAG_BY_FAMILY when length >= HeaderBytes + MessageBytes:
                    sockets.Add(ParseSocket(datagram[HeaderBytes..length]));
                    break;
            }

            datagram = datagram[Math.Min(Align(length), datagram.Length)..];
        }

        return true;
    }

    // struct unix_diag_msg, then attributes.
    private static UnixSocket ParseSocket(ReadOnlySpan<byte> message)
    {
        var inode = MemoryMarshal.Read<uint>(message[4..]);
        uint peer = 0;
        var name = "";
        var attributes = message[MessageBytes..];
        while (attributes.Length >= 4)
        {
            var length = MemoryMarshal.Read<ushort>(attributes);
            var type = MemoryMarshal.Read<ushort>(attributes[2..]);
            if (length < 4 || length > attributes.Length)
            {
                break;
            }

            var value = attributes[4..length];
            if (type == UNIX_DIAG_PEER && value.Length >= 4)
            {
                peer = MemoryMarshal.Read<uint>(value);
            }
            else if (type == UNIX_DIAG_NAME && value.Length > 0)
            {
                name = value[0] == 0 ? "@" + Encoding.UTF8.GetString(value[1..]) : Encoding.UTF8.GetString(value.TrimEnd((byte)0));
            }

            attributes = attributes[Math.Min(Align(length), attributes.Length)..];
        }

        return new UnixSocket(inode, peer, name);
    }

    private static int Align(int length) => (length + 3) & ~3;
}
