using Floe.Agent.Snapshots;
using Floe.Criu.Errors;
using Floe.Linux.Processes;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>Excerpts of real logs of CRIU 4.2.1; in each the cause stands among its consequences.</summary>
public sealed class CriuErrorsTests
{
    private const string Noise = "Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n";

    [Theory]
    [InlineData("Error (criu/proc_parse.c:502): Unknown shit 600 (anon_inode:[io_uring])\nError (criu/proc_parse.c:738): Can't open 1001's mapfile link 7f3b2412d000: No such device or address\nError (criu/cr-dump.c:1440): Collect mappings (pid: 1001) failed with -1\nError (criu/cr-dump.c:1975): Dumping FAILED.\n", "io_uring", "UV_USE_IO_URING=0")]
    [InlineData("pie: 1001: Error (criu/pie/parasite.c:588): send_fds failed (-22)\nError (criu/parasite-syscall.c:280): Can't retrieve FDs from socket\nError (compel/src/lib/infect-rpc.c:44): Message reply from daemon is trimmed (12/0)\n", "io_uring", "UV_USE_IO_URING=0")]
    [InlineData("Error (criu/files-reg.c:1031): Can't dump ghost file /tmp/#11657794 of 3002368 size, increase limit\nError (criu/cr-dump.c:1545): Dump files (pid: 1001) failed with -1\n", "unlinked file", "keep the file's name")]
    [InlineData("Error (criu/sk-inet.c:200): inet: Connected TCP socket, consider using --tcp-established option.\n", "TCP", "--tcp=")]
    [InlineData("Error (criu/sk-unix.c:874): unix: External socket is used. Consider using --ext-unix-sk option.\n", "unix socket", "inside the task")]
    [InlineData("Error (criu/files-ext.c:94): Can't dump file 3 of that type [20600] (chr 10:229)\n", "device", "")]
    [InlineData("Error (criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon anon_inode:[perf_event])\n", "perf events", "profile")]
    [InlineData("Error (criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon anon_inode:[userfaultfd])\n", "userfaultfd", "")]
    [InlineData("Error (criu/files-reg.c:1790): Can't lookup mount=63 for fd=3 path=/f\nError (criu/cr-dump.c:1545): Dump files (pid: 1001) failed with -1\n", "mount", "close it")]
    [InlineData("Error (criu/pstree.c:304): The root process 1004 is not a session leader. Consider using --shell-job option\n", "session", "setsid")]
    [InlineData("Error (compel/src/lib/infect.c:262): Unseizable non-zombie 1004 found, state S, err -1/10\n", "debugger", "strace")]
    [InlineData("Error (criu/cr-restore.c:1237): Can't fork for 1001: File exists\nError (criu/cr-restore.c:2331): Restoring FAILED.\n", "pid", "fresh container")]
    [InlineData("Error (criu/files-reg.c:1291): Can't link remap to /data/link_remap.12: File exists\nError (criu/cr-dump.c:1545): Dump files (pid: 1001) failed with -1\n", "a file is in the way", "link_remap")]
    [InlineData("  1001: Error (criu/files-reg.c:998): Can't create even fake link!: File exists\n", "a file is in the way", "link_remap")]
    [InlineData("  1001: Error (criu/files-reg.c:2175): File tmp/o has bad size 6 (expect 0)\n  1001: Error (criu/files.c:1221): Unable to open fd=1 id=0x1c\n", "not the one it had", "same image")]
    [InlineData("  1001: Error (criu/files-reg.c:2353): Can't open file tmp/o on restore: No such file or directory\n", "missing here", "same image")]
    [InlineData("pie: 1001: Error (criu/pie/restorer.c:347): Unable to restore capabilities: -1\npie: 1001: Error (criu/pie/restorer.c:2292): BUG at criu/pie/restorer.c:2292\n", "capability", "privileged")]
    [InlineData("  1000: Error (criu/timens.c:101): Unable to set a monotonic clock offset: Operation not permitted\n", "CAP_SYS_TIME", "privileged")]
    [InlineData("Error (criu/kerndat.c:732): Unable to connect a socket: Network is unreachable\nError (criu/kerndat.c:2010): kerndat_tcp_repair failed when initializing kerndat.\n", "loopback", "ip link set lo up")]
    [InlineData("  1000: Error (criu/sk-inet.c:1000): inet: Can't bind inet socket (id 5): Address already in use\n", "a port or an address", "free the port")]
    [InlineData("  1000: Error (soccr/soccr.c:553): Can't bind inet socket back: Cannot assign requested address\n", "a port or an address", "free the port")]
    public void Translate_KnownCause_NamesItAndWhatToDo(string log, string message, string hint)
    {
        var error = CriuErrors.Translate("dump", new ExitStatus(1, 0), CriuLog.ErrorsIn(Noise + log), null);
        Assert.Contains(message, error.Message);
        Assert.Contains(hint, error.Hint!);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal(1 + log.Count(c => c == '\n'), error.LogLines.Count);
    }

    [Fact]
    public void Translate_UnknownCause_ShowsTheFirstLineThatMatters()
    {
        var error = CriuErrors.Translate("dump", new ExitStatus(1, 0), CriuLog.ErrorsIn(Noise + "(00.1) Error (criu/x.c:1): something new\nError (criu/cr-dump.c:1975): Dumping FAILED.\n"), null);
        Assert.Equal("dump failed: CRIU ended with exit status 1: something new", error.Message);
    }

    [Fact]
    public void Translate_NothingSaid_NamesTheExit() =>
        Assert.Contains("signal 9", CriuErrors.Translate("dump", new ExitStatus(0, 9), [], null).Message);

    [Theory]
    [InlineData("Error (criu/cr-restore.c:1262): 1001 killed by signal 9: Killed\nError (criu/cr-restore.c:2331): Restoring FAILED.\n", 1, 0)]
    [InlineData("  1000: Error (criu/cr-restore.c:1262): 1001 killed by signal 9: Killed\nError (criu/cr-restore.c:1258): 1000 exited, status=1\n", 1, 0)]
    [InlineData("", 0, 9)]
    public void TranslateRestore_AProcessWasKilled_SaysThatMemoryRanOut(string log, int code, int signal)
    {
        var error = CriuErrors.TranslateRestore(new ExitStatus(code, signal), CriuLog.ErrorsIn(Noise + log), isKilledByFloe: false);
        Assert.Contains("memory ran out", error.Message, StringComparison.Ordinal);
        Assert.Equal("use a machine with more memory", error.Hint);
        Assert.Equal(RestoreFault.Target, RestoreFaults.Of(error));
    }

    /// <summary>CRIU kills the rest of the tree when something else goes wrong: that says nothing about memory.</summary>
    [Theory]
    [InlineData("Error (criu/x.c:1): something new\nError (criu/cr-restore.c:1262): 1001 killed by signal 9: Killed\n", 1, 0, false)]
    [InlineData("Error (criu/cr-restore.c:1262): 1001 killed by signal 11: Segmentation fault\n", 1, 0, false)]
    [InlineData("", 0, 9, true)]
    public void TranslateRestore_KilledForAnotherReason_IsUnexplained(string log, int code, int signal, bool isKilledByFloe)
    {
        var error = CriuErrors.TranslateRestore(new ExitStatus(code, signal), CriuLog.ErrorsIn(Noise + log), isKilledByFloe);
        Assert.Null(error.Hint);
        Assert.Equal(RestoreFault.Unexplained, RestoreFaults.Of(error));
    }

    [Fact]
    public void TranslateRestore_KnownCauseBesideAKill_NamesTheCause()
    {
        const string log = "Error (criu/cr-restore.c:1237): Can't fork for 1001: File exists\nError (criu/cr-restore.c:1262): 1000 killed by signal 9: Killed\n";
        Assert.Contains("fresh container", CriuErrors.TranslateRestore(new ExitStatus(1, 0), CriuLog.ErrorsIn(log), isKilledByFloe: false).Hint!, StringComparison.Ordinal);
    }
}
