using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>Offsets in struct linux_dirent64: d_reclen is a u16, d_name is zero-terminated.</summary>
    public const int DirentRecordLengthOffset = 16;

    public const int DirentNameOffset = 19;

    /// <returns>Bytes of entries; 0 at the end; -1 with errno.</returns>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint getdents64(int directory, void* entries, nuint byteCount);
}
