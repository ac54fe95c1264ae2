using System.Runtime.InteropServices;

namespace Floe.Linux.Processes;

/// <summary>
/// Makes the system calls fail whose results CRIU cannot carry, so that programs take their fallback: io_uring_setup, io_uring_enter and
/// io_uring_register with ENOSYS, as on a kernel without them; pkey_alloc with ENOSPC, as on a processor without protection keys (a restored
/// process would have none of the keys that it knows).
/// A seccomp filter belongs to a thread and is inherited by what it starts, so the agent installs it on the thread that spawns the task and on no
/// other. (Threads that the runtime happens to start from there inherit it too, which does them no harm.)
/// </summary>
public static unsafe class SystemCallBlock
{
    // linux/unistd: 425 to 427 on every architecture, compat ones included.
    private const uint FirstIoUringCall = 425;
    private const uint LastIoUringCall = 427;
    // An x32 call carries this bit beside the number.
    private const uint X32Bit = 0x40000000;

    // Of the architecture that this program is for; a compat one has another call by that number. linux/audit.h has the names.
    private static readonly (uint PkeyAlloc, uint Architecture) s_native = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? (289u, 0xC00000B7) : (330u, 0xC000003E);

    /// <summary>
    /// For this thread and all that it starts from now on, for ever. Needs CAP_SYS_ADMIN: without it no_new_privs would have to be set, which
    /// would change what setuid programs of the task may do.
    /// </summary>
    /// <returns>False when this process may not (EACCES) or the kernel has no seccomp filters (ENOSYS, EINVAL).</returns>
    /// <exception cref="LinuxException">Any other failure.</exception>
    public static bool TryInstallOnThisThread()
    {
        // Only number and architecture are looked at: the kernel then knows that every other call is always allowed and does not run the filter for it.
        const uint numberAt = 0, architectureAt = 4;
        var filter = stackalloc Interop.SockFilter[]
        {
            new(Interop.BPF_LD_W_ABS, 0, 0, numberAt),
            new(Interop.BPF_ALU_AND_K, 0, 0, ~X32Bit),
            new(Interop.BPF_JMP_JEQ_K, 8, 0, FirstIoUringCall),
            new(Interop.BPF_JMP_JEQ_K, 7, 0, FirstIoUringCall + 1),
            new(Interop.BPF_JMP_JEQ_K, 6, 0, LastIoUringCall),
            new(Interop.BPF_JMP_JEQ_K, 1, 0, s_native.PkeyAlloc),
            new(Interop.BPF_RET_K, 0, 0, Interop.SECCOMP_RET_ALLOW),
            new(Interop.BPF_LD_W_ABS, 0, 0, architectureAt),
            new(Interop.BPF_JMP_JEQ_K, 0, 1, s_native.Architecture),
            new(Interop.BPF_RET_K, 0, 0, Interop.SECCOMP_RET_ERRNO | Errno.ENOSPC),
            new(Interop.BPF_RET_K, 0, 0, Interop.SECCOMP_RET_ALLOW),
            new(Interop.BPF_RET_K, 0, 0, Interop.SECCOMP_RET_ERRNO | Errno.ENOSYS),
        };
        var program = new Interop.SockFprog { Length = 12, Filter = filter };

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
