using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>Bytes waiting in a pipe (asm-generic/ioctls.h).</summary>
    public const ulong FIONREAD = 0x541B;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ioctl(int fd, ulong request, void* argument);
}
