using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What cannot be carried is refused, and the task never suffers from the refusal.</summary>
public sealed class RefusalTests
{
    [Fact]
    public async Task Run_TaskWantsIoUringOrAProtectionKey_IsToldThatThereIsNone()
    {
        const string program = """
            import ctypes, errno, platform
            libc = ctypes.CDLL(None, use_errno=True)
            for number in 425, 426, 427:
                print(libc.syscall(number, 8, ctypes.create_string_buffer(120)), errno.errorcode[ctypes.get_errno()])
            # pkey_alloc with a flag that no kernel knows, which is EINVAL where it is asked.
            print(libc.syscall(330 if platform.machine() == 'x86_64' else 289, 1, 0), errno.errorcode[ctypes.get_errno()])
            """;
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await Fleet.EndAsync(await fleet.RunAsync(machine, [], "/usr/bin/python3", "-c", program));
        Fleet.AssertStatus(0, result);
        Assert.Equal("-1 ENOSYS\n-1 ENOSYS\n-1 ENOSYS\n-1 ENOSPC\n", result.Text);
    }

    [Theory]
    [InlineData("device", "held = os.open('/dev/fuse', os.O_RDWR)")]
    [InlineData("userfaultfd", "import ctypes, platform; held = ctypes.CDLL(None).syscall(323 if platform.machine() == 'x86_64' else 282, 1); assert held > 0")]
    [InlineData("mounts that cannot be restored", "import ctypes; assert ctypes.CDLL(None).unshare(0x20000) == 0")]
    [InlineData("network that cannot be restored", "import subprocess; held = subprocess.Popen(['/usr/bin/unshare', '--net', 'sleep', '1000']); time.sleep(0.3); import atexit; atexit.register(held.kill)")]
    [InlineData("program in a memfd, which cannot be restored", """
        import subprocess, atexit
        code = os.memfd_create('program')
        os.write(code, open('/bin/sleep', 'rb').read())
        held = subprocess.Popen(['sleep', '1000'], executable=f'/proc/self/fd/{code}', pass_fds=[code])
        atexit.register(held.kill)
        """)]
    [InlineData("unix", "held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); held.connect('/run/outside')")]
    public async Task Snapshot_TaskHoldsWhatCriuRefuses_OneClearLineAndTheTaskRunsToItsEnd(string what, string hold)
    {
        var program = $"""
            import os, socket, time
            {hold}
            print('holds', flush=True)
            for i in range(2000000000):
                if i % 100 == 0: time.sleep(0.002)
                if os.path.exists('/run/go'): break
            print('right to the end')
            """;
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        if (what == "unix")
        {
            await Fleet.UntilPrintedAsync(
                await machine.StartAsync(["/usr/bin/python3", "-c", "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/outside'); s.listen(); print('listens', flush=True); c = s.accept(); time.sleep(1000)"], null, Fleet.Token),
                "listens\n");
        }

        var run = await fleet.RunAsync(machine, [], "/usr/bin/python3", "-c", program);
        await Fleet.UntilPrintedAsync(run, "holds\n");
        for (var i = 0; i < 2; i++)
        {
            var asked = await fleet.SnapshotAsync(machine, run);
            Fleet.AssertStatus(175, asked);
            var line = Assert.Single(asked.Errors.TrimEnd('\n').Split('\n'));
            Assert.StartsWith("floe: ", line, StringComparison.Ordinal);
            Assert.Contains("the task ", line, StringComparison.Ordinal);
            Assert.Contains("runs on", line, StringComparison.Ordinal);
        }

        Fleet.Open(machine, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.Equal("holds\nright to the end\n", result.Text);
    }
}
