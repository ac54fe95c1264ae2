namespace Floe.Linux;

public static partial class Interop
{
    /// <summary>A descriptor of another process, as one of this one's. Close-on-exec.</summary>
    /// <returns>A descriptor, -1 with errno.</returns>
    public static int pidfd_getfd(int pidfd, int descriptor) => (int)syscall(438, pidfd, descriptor, 0);
}
