using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const long UTIME_OMIT = 0x3FFFFFFE;

    /// <summary>struct timespec of the 64-bit ABIs.</summary>
    public struct Timespec
    {
        public long tv_sec;
        public long tv_nsec;
    }

    /// <param name="times">Access time, then modification time.</param>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int futimens(SafeFileHandle file, Timespec* times);
}
