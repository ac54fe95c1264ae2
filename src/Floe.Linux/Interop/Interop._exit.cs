using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    /// <summary>Ends this process at once: nothing is flushed, nobody is asked.</summary>
    [LibraryImport("libc")]
    public static partial void _exit(int status);
}
