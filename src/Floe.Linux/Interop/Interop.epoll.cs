using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int EPOLL_CLOEXEC = 0x80000;
    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_DEL = 2;
    public const uint EPOLLOUT = 4;
    public const uint EPOLLET = 1u << 31;

    /// <summary>struct epoll_event; packed on x86-64 only.</summary>
    public struct EpollEvent
    {
        private fixed byte _bytes[16];

        public EpollEvent(uint events, ulong data)
        {
            fixed (byte* bytes = _bytes)
            {
                *(uint*)bytes = events;
                System.Runtime.CompilerServices.Unsafe.WriteUnaligned(bytes + DataOffset, data);
            }
        }

        /// <summary>Bytes from one event to the next in an array that the kernel fills.</summary>
        public static int Stride => DataOffset + sizeof(ulong);

        private static int DataOffset => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

        /// <summary>The data of an event that the kernel wrote at <paramref name="event"/>.</summary>
        public static ulong DataAt(byte* @event) => System.Runtime.CompilerServices.Unsafe.ReadUnaligned<ulong>(@event + DataOffset);
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int epoll_ctl(int epoll, int operation, int fd, EpollEvent* @event);

    /// <param name="events">Room for <paramref name="maxEvents"/> times <see cref="EpollEvent.Stride"/> bytes.</param>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int epoll_wait(int epoll, byte* events, int maxEvents, int timeoutMillis);
}
