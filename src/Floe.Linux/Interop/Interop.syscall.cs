using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>libc's syscall(2), for calls that libc gives no function for. Integer and pointer arguments only.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint syscall(nint number, nint argument1, nint argument2, nint argument3);
}
