using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const short POLLIN = 1;
    public const short POLLOUT = 4;
    public const short POLLERR = 8;
    public const short POLLHUP = 16;

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial int poll(PollFd* descriptors, nuint count, int timeoutMillis);
}
