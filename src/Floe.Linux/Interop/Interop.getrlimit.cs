using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    public const int RLIMIT_NOFILE = 7;

    [StructLayout(LayoutKind.Sequential)]
    public struct ResourceLimit
    {
        public ulong Current;
        public ulong Max;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial int getrlimit(int resource, out ResourceLimit limit);
}
