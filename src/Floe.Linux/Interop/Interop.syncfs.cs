using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static partial class Interop
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial int syncfs(SafeFileHandle fd);
}
