using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    public const int SIGHUP = 1;
    public const int SIGINT = 2;
    public const int SIGQUIT = 3;
    public const int SIGKILL = 9;
    public const int SIGUSR1 = 10;
    public const int SIGUSR2 = 12;
    public const int SIGPIPE = 13;
    public const int SIGTERM = 15;
    public const int SIGCHLD = 17;
    public const int SIGCONT = 18;
    public const int SIGSTOP = 19;
    public const int SIGURG = 23;
    public const int SIGWINCH = 28;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int kill(int pid, int signal);
}
