using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial int fchownat(int directory, byte* path, uint uid, uint gid, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fchown(int fd, uint uid, uint gid);
}
