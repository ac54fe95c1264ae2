using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>libc's: of every thread of the process, unlike the system call.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int setresuid(uint real, uint effective, uint saved);

    /// <inheritdoc cref="setresuid"/>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int setresgid(uint real, uint effective, uint saved);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int getresuid(uint* real, uint* effective, uint* saved);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int getresgid(uint* real, uint* effective, uint* saved);

    /// <summary>The system calls themselves, which act on the calling thread alone.</summary>
    public static bool TrySetIdsOfThisThread(uint uid, uint gid)
    {
        // asm/unistd_64.h and asm-generic/unistd.h. The uid last: without root the gid could not be set.
        var (setresuid, setresgid) = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? (147, 149) : (117, 119);
        return syscall(setresgid, (nint)gid, (nint)gid, (nint)gid) == 0 && syscall(setresuid, (nint)uid, (nint)uid, (nint)uid) == 0;
    }
}
