using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int AT_FDCWD = -100;

    public const int O_CREAT = 0x40;
    public const int O_EXCL = 0x80;
    public const int O_NOCTTY = 0x100;
    public const int O_TRUNC = 0x200;
    public const int O_APPEND = 0x400;
    public const int O_PATH = 0x200000;
    public const int O_NOATIME = 0x40000;

    // arm64 numbers these its own way (arch/arm64/include/uapi/asm/fcntl.h).
    public static readonly int O_DIRECTORY = IsArm64 ? 0x4000 : 0x10000;
    public static readonly int O_NOFOLLOW = IsArm64 ? 0x8000 : 0x20000;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>openat is variadic; on x86-64 and Linux arm64 that passes the mode like a fixed argument. The handle is invalid on failure.</summary>
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle openat(int directory, string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle openat(SafeFileHandle directory, string path, int flags, uint mode);

    /// <summary>The form for names that are bytes. Zero-terminated; the caller closes the descriptor.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int openat(int directory, byte* path, int flags, uint mode);
}
