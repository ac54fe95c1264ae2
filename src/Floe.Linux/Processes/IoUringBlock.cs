using System.Runtime.InteropServices;

namespace Floe.Linux.Processes;

/// <summary>
/// Makes io_uring_setup, io_uring_enter and io_uring_register fail with ENOSYS, so that programs take their fallback: CRIU cannot dump an io_uring.
/// A seccomp filter belongs to a thread and is inherited by what it starts, so the agent installs it on the thread that spawns the task and on no
/// other. (Threads that the runtime happens to start from there inherit it too, which does them no harm.)
/// </summary>
public static unsafe class IoUringBlock
{
    // linux/unistd: 425 to 427 on every architecture, compat ones included.
    private const uint FirstIoUringCall = 425;
    private const uint LastIoUringCall = 427;
    // An x32 call carries this bit beside the number.
    private const uint X32Bit = 0x40000000;

    /// <summary>
    /// For this thread and all that it starts from now on, for ever. Needs CAP_SYS_ADMIN: without it no_new_privs would have to be set, which
    /// would change what setuid programs of the task may do.
    /// </summary>
    /// <returns>False when this process may not (EACCES) or the kernel has no seccomp filters (ENOSYS, EINVAL).</returns>
    /// <exception cref="LinuxException">Any other failure.</exception>
    public static bool TryInstallOnThisThread()
    {
        // Only the number is looked at: the kernel then knows that every other call is always allowed and does not run the filter for it.
        var filter = stackalloc Interop.SockFilter[]
        {
            new(Interop.BPF_LD_W_ABS, 0, 0, 0),
            new(Interop.BPF_ALU_AND_K, 0, 0, ~X32Bit),
            new(Interop.BPF_JMP_JEQ_K, 3, 0, FirstIoUringCall),
            new(Interop.BPF_JMP_JEQ_K, 2, 0, FirstIoUringCall + 1),
            new(Interop.BPF_JMP_JEQ_K, 1, 0, LastIoUringCall),
            new(Interop.BPF_RET_K, 0, 0, Interop.SECCOMP_RET_ALLOW),
            new(Interop.BPF_RET_K, 0, 0, Interop.SECCOMP_RET_ERRNO | Errno.ENOSYS),
        };
        var program = new Interop.SockFprog { Length = 7, Filter = filter };

        // Before Linux 5.16 a filter switched on speculation mitigations that cost far more than the filter; this flag says not to.
        // SAFETY: filter and program live on this stack frame until the call returns; the kernel copies both.
        if (Interop.seccomp(Interop.SECCOMP_SET_MODE_FILTER, Interop.SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0)
        {
            return true;
        }

        var errno = Marshal.GetLastPInvokeError();
        return errno is Errno.EACCES or Errno.ENOSYS or Errno.EINVAL or Errno.EPERM
            ? false
            : throw new LinuxException("seccomp(SECCOMP_SET_MODE_FILTER)", errno);
    }
}
