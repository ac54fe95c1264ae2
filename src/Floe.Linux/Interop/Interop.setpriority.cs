using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    public const int PRIO_PROCESS = 0;

    /// <summary>With <paramref name="who"/> 0 the niceness of the calling thread alone: that is what Linux takes for a process here.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int setpriority(int which, uint who, int priority);
}
