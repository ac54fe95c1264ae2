using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int UFFD_USER_MODE_ONLY = 1;

    /// <returns>A descriptor, -1 with errno: ENOSYS without the feature, EPERM where unprivileged use is off.</returns>
    public static int userfaultfd(int flags) =>
        (int)syscall(RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 282 : 323, flags, 0, 0);

    /// <returns>A descriptor, -1 with errno.</returns>
    public static int pidfd_open(int pid, uint flags) => (int)syscall(434, pid, (nint)flags, 0);
}
