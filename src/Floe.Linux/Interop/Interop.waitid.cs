using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const int P_ALL = 0;
    public const int P_PID = 1;
    public const int WNOHANG = 1;
    public const int WEXITED = 4;
    public const int WNOWAIT = 0x01000000;

    internal const int CLD_EXITED = 1;

    /// <summary>The part of siginfo_t that waitid fills (asm-generic/siginfo.h, 64 bit).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    internal struct SigInfo
    {
        [FieldOffset(8)]
        public int Code;

        [FieldOffset(16)]
        public int Pid;

        [FieldOffset(24)]
        public int Status;
    }

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitid(int idType, int id, SigInfo* info, int options);
}
