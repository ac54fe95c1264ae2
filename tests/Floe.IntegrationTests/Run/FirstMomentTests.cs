using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What a restored task does in the first moment, while CRIU still lets go of its other threads.</summary>
public sealed class FirstMomentTests
{
    private const string Threads = """
        import os, signal, sys, threading, time
        threading.stack_size(256 << 10)
        def grow():
            for _ in range(1500): threading.Thread(target=time.sleep, args=(10000,), daemon=True).start()
        def gate():
            print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.01)

        """;

    /// <summary>CRIU gives a restore up when a thread is gone that it has not let go of yet.</summary>
    [Theory]
    [InlineData("grow(); gate(); print('end', flush=True); os._exit(7)", 7, "end\n")]
    [InlineData("grow(); gate(); os.execl('/bin/echo', 'echo', 'end')", 0, "end\n")]
    [InlineData(
        """
        start, started = os.pipe()
        child = os.fork()
        if child == 0: grow(); os.write(started, b'x'); time.sleep(10000)
        os.read(start, 1)
        gate()
        os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0)[1], flush=True)
        """, 0, "9\n")]
    public async Task Run_EndsOrKillsManyThreadsAtOnce_IsRestored(string end, int status, string output)
    {
        await using var fleet = new Fleet();
        var ended = await fleet.MoveAsync("/usr/bin/python3", "-c", Threads + end);
        Fleet.AssertStatus(status, ended);
        Assert.Equal(output, ended.Text);
    }

    /// <summary>Floe holds the tree for that moment by SIGSTOP, of which nobody may see more than a SIGCHLD.</summary>
    [Fact]
    public async Task Run_StoppedChildAndParentThatWatches_SeeNothingOfTheStop()
    {
        const string task = """
            import os, signal, time
            def child():
                pid = os.fork()
                if pid == 0:
                    while True: time.sleep(10000)
                return pid
            runs, stopped = child(), child()
            os.kill(stopped, signal.SIGSTOP)
            os.waitpid(stopped, os.WUNTRACED)
            state = lambda pid: open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]
            print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.01)
            print(state(runs) in 'RS', state(stopped), os.waitpid(runs, os.WUNTRACED | os.WNOHANG), flush=True)
            os.kill(stopped, signal.SIGCONT)
            print(os.waitpid(stopped, os.WCONTINUED)[0] == stopped, state(stopped) != 'T', flush=True)
            for pid in (runs, stopped): os.kill(pid, signal.SIGTERM); print(os.waitpid(pid, 0)[1], flush=True)
            """;
        await using var fleet = new Fleet();
        var ended = await fleet.MoveAsync("/usr/bin/python3", "-c", task);
        Fleet.AssertStatus(0, ended);
        Assert.Equal("True T (0, 0)\nTrue True\n15\n15\n", ended.Text);
    }
}
