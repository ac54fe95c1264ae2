using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>Where a task finds itself: what makes that a restore can give it the same pids, and dumps nothing of Floe's.</summary>
public sealed class TaskPlaceTests
{
    private const string Look = """
        import os
        def name(pid): return os.path.basename(os.readlink(f'/proc/{pid}/exe'))
        print(os.getpid() >= 1000, os.getppid() >= 1000, os.getsid(0) == os.getppid())
        print(name(os.getppid()), name(1), sorted(int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) < 1000))
        for kind in 'pid', 'ipc', 'mnt', 'net': print(kind, os.readlink(f'/proc/self/ns/{kind}'))
        """;

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_Task_HasHighPidsAnInitAndASessionOfItsOwn(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        var result = await Fleet.EndAsync(await fleet.RunAsync(machine, [], "/usr/bin/python3", "-c", Look));
        Fleet.AssertStatus(0, result);
        var lines = result.Text.TrimEnd('\n').Split('\n');
        Assert.Equal(["True True True", "tini floe [1]"], lines[..2]);

        if (kind == MachineKind.Host)
        {
            // A container has them already.
            var around = (await fleet.ShellAsync(machine, "for kind in pid ipc mnt net; do echo $kind $(readlink /proc/self/ns/$kind); done")).Text.TrimEnd('\n').Split('\n');
            Assert.Empty(around[..3].Intersect(lines[2..5]));
            Assert.Equal(around[3], lines[5]);
        }
    }
}
