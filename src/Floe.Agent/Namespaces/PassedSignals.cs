using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Namespaces;

/// <summary>
/// The signals that `floe run` passes on to its command, as tini and `docker run` do: all of signal(7), real-time ones included, but for those that nobody can
/// catch, that the kernel tells a program of itself, that stop it on its terminal, and that C's library and .NET use.
/// </summary>
internal static class PassedSignals
{
    private const int FirstRealTime = 32;
    private const int LastSignal = 64;

    // SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV, SIGPIPE, SIGCHLD, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXFSZ, SIGSYS.
    private static readonly int[] s_own = [4, 5, 6, 7, 8, Interop.SIGKILL, 11, Interop.SIGPIPE, Interop.SIGCHLD, Interop.SIGSTOP, 20, 21, 22, Interop.SIGURG, 25, 31];

    // Two are threads' of C's library, and .NET stops its threads by the third.
    private const int ReservedRealTime = 3;

    /// <summary>Those that end a program which has no handler for them, and that people and schedulers end one by.</summary>
    public static IReadOnlyList<PosixSignal> Ending { get; } = [PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP, PosixSignal.SIGQUIT];

    /// <summary>All others.</summary>
    public static IReadOnlyList<PosixSignal> Other { get; } =
    [
        .. Enumerable.Range(1, FirstRealTime - 1).Except(s_own).Except(Ending.Select(Number)).Select(number => (PosixSignal)number),
        .. Enumerable.Range(FirstRealTime + ReservedRealTime, LastSignal + 1 - FirstRealTime - ReservedRealTime).Select(number => (PosixSignal)number),
    ];

    /// <summary>The kernel's number.</summary>
    public static int Number(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => Interop.SIGHUP,
        PosixSignal.SIGINT => Interop.SIGINT,
        PosixSignal.SIGQUIT => Interop.SIGQUIT,
        PosixSignal.SIGTERM => Interop.SIGTERM,
        _ when signal > 0 => (int)signal,
        _ => throw new ArgumentOutOfRangeException(nameof(signal)),
    };
}
