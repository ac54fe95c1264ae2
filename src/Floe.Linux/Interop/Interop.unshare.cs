using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    public const int CLONE_NEWNS = 0x00020000;
    public const int CLONE_NEWIPC = 0x08000000;
    public const int CLONE_NEWPID = 0x20000000;

    /// <summary>Acts on the calling thread alone; CLONE_NEWPID on the children it will have.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int unshare(int flags);
}
