using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial int dup2(int source, int target);
}
