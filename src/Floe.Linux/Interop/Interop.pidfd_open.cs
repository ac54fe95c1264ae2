namespace Floe.Linux;

public static partial class Interop
{
    /// <returns>A descriptor, -1 with errno.</returns>
    public static int pidfd_open(int pid, uint flags) => (int)syscall(434, pid, (nint)flags, 0);
}
