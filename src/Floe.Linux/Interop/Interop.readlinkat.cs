using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <returns>Bytes of the target, not zero-terminated, cut at <paramref name="size"/>; -1 with errno.</returns>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint readlinkat(int directory, byte* path, byte* buffer, nuint size);
}
