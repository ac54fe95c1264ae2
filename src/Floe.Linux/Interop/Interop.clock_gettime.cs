using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>The clock that stamps inodes: CLOCK_REALTIME as of the last tick.</summary>
    public const int CLOCK_REALTIME_COARSE = 5;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int clock_gettime(int clock, Timespec* time);
}
