using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    public const int F_GETFD = 1;
    public const int F_SETFD = 2;
    public const int FD_CLOEXEC = 1;
    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_SETSIG = 10;
    public const int F_SETLEASE = 1024;
    public const int F_WRLCK = 1;
    public const int F_UNLCK = 2;
    public const int F_DUPFD_CLOEXEC = 1030;
    public const int F_SETPIPE_SZ = 1031;
    public const int F_GETPIPE_SZ = 1032;

    /// <summary>The forms whose third argument is an int. fcntl is variadic; on x86-64 and Linux arm64 that passes ints alike.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int fcntl(int fd, int command, int argument);
}
