using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int AT_REMOVEDIR = 0x200;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int unlinkat(SafeFileHandle directory, string path, int flags);

    /// <summary>The form for names that are bytes. Zero-terminated.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int unlinkat(int directory, byte* path, int flags);
}
