using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial int fchmodat(int directory, byte* path, uint mode, int flags);
}
