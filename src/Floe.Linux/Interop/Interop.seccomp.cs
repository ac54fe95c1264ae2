using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    // linux/seccomp.h, linux/bpf_common.h
    internal const uint SECCOMP_SET_MODE_FILTER = 1;
    internal const uint SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2;
    internal const uint SECCOMP_RET_ALLOW = 0x7fff0000;
    internal const uint SECCOMP_RET_ERRNO = 0x00050000;
    internal const ushort BPF_LD_W_ABS = 0x20;
    internal const ushort BPF_ALU_AND_K = 0x54;
    internal const ushort BPF_JMP_JEQ_K = 0x15;
    internal const ushort BPF_RET_K = 0x06;

    /// <summary>struct sock_filter of linux/filter.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly struct SockFilter(ushort code, byte jumpTrue, byte jumpFalse, uint k)
    {
        public readonly ushort Code = code;
        public readonly byte JumpTrue = jumpTrue;
        public readonly byte JumpFalse = jumpFalse;
        public readonly uint K = k;
    }

    /// <summary>struct sock_fprog of linux/filter.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SockFprog
    {
        public ushort Length;
        public SockFilter* Filter;
    }

    /// <returns>0; -1 with errno.</returns>
    internal static int seccomp(uint operation, uint flags, void* arguments) =>
        (int)syscall(RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 277 : 317, (nint)operation, (nint)flags, (nint)arguments);
}
