using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int MADV_DONTNEED = 4;
    public const int MADV_NOHUGEPAGE = 15;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int madvise(void* address, nuint length, int advice);
}
