using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const uint SPLICE_F_MOVE = 1;
    public const uint SPLICE_F_NONBLOCK = 2;

    /// <summary>Moves bytes between descriptors, one of them a pipe; offsets may be null.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint splice(int input, long* inputOffset, int output, long* outputOffset, nuint length, uint flags);
}
