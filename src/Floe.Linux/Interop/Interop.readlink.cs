using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <returns>Bytes written, without a terminating zero; -1 with errno.</returns>
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint readlink(string path, byte* buffer, nuint size);
}
