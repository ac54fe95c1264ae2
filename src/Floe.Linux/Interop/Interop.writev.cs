using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint writev(int fd, IoVec* vectors, int count);
}
