using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static partial class Interop
{
    public const int FALLOC_FL_KEEP_SIZE = 0x01;
    public const int FALLOC_FL_PUNCH_HOLE = 0x02;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fallocate(SafeFileHandle fd, int mode, long offset, long len);
}
