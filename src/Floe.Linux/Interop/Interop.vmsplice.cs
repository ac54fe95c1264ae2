using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>Puts pages of this process into a pipe without copying them; they must not change until the reader has taken them.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint vmsplice(int pipe, IoVec* vectors, nuint count, uint flags);
}
