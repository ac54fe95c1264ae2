using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    public const int PR_SET_PDEATHSIG = 1;
    public const int PR_SET_DUMPABLE = 4;
    public const int PR_SET_CHILD_SUBREAPER = 36;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int prctl(int option, ulong argument2, ulong argument3, ulong argument4, ulong argument5);
}
