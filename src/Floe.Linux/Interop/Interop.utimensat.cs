using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <param name="times">Access time, then modification time.</param>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int utimensat(int directory, byte* path, Timespec* times, int flags);

    /// <inheritdoc cref="utimensat"/>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int futimens(int fd, Timespec* times);
}
