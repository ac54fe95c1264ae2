using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    // linux/magic.h
    public const long TMPFS_MAGIC = 0x01021994;
    public const long RAMFS_MAGIC = 0x858458f6;

    /// <summary>struct statfs of 64-bit Linux, of which only the type is of use here.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 120)]
    public struct StatfsBuffer
    {
        public long f_type;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int fstatfs(int fd, StatfsBuffer* buffer);
}
