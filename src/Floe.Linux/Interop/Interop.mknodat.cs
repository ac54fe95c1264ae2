using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <param name="device">dev_t as glibc packs it: <see cref="makedev"/>.</param>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int mknodat(int directory, byte* path, uint mode, ulong device);

    /// <summary>gnu_dev_makedev of sys/sysmacros.h.</summary>
    public static ulong makedev(uint major, uint minor) =>
        ((major & 0x00000fffUL) << 8) | ((major & 0xfffff000UL) << 32) | (minor & 0xffUL) | ((minor & 0xffffff00UL) << 12);
}
