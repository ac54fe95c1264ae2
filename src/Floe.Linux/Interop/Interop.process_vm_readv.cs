using System.Runtime.InteropServices;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    /// <summary>UIO_MAXIOV.</summary>
    public const int IOV_MAX = 1024;

    [StructLayout(LayoutKind.Sequential)]
    public struct IoVec
    {
        public void* Base;
        public nuint Length;
    }

    /// <returns>Bytes read, fewer at the first page that cannot be read; -1 with errno when that is the first one.</returns>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint process_vm_readv(int pid, IoVec* local, nuint localCount, IoVec* remote, nuint remoteCount, nuint flags);
}
