using System.Globalization;
using Floe.Agent.Tasks;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Tasks;

public sealed class PidFloorTests
{
    /// <summary>What a container with CAP_SYS_ADMIN can do though its /proc/sys is read-only.</summary>
    [Fact]
    public async Task TryRaiseUnseen_WithCapSysAdmin_TheNextPidIsHigher()
    {
        Assert.SkipUnless(Interop.geteuid() == 0, "a mount takes CAP_SYS_ADMIN");
        var floor = Current() + 500;
        Assert.SkipUnless(floor < int.Parse(File.ReadAllText("/proc/sys/kernel/pid_max"), CultureInfo.InvariantCulture) - 1000, "the pids begin anew in a moment");
        Assert.True(PidFloor.TryRaiseUnseen(floor));
        var child = ChildProcess.Start(new ChildProcessOptions { Path = "/bin/true"u8.ToArray(), Arguments = ["true"u8.ToArray()] });
        Assert.True(child.Pid > floor, $"{child.Pid} is not above {floor}");
        await child.Exited;
    }

    [Fact]
    public void BurnTo_AFewPids_TheNextIsHigher()
    {
        var floor = Current() + 20;
        PidFloor.BurnTo(floor, NullLogger.Instance, TestContext.Current.CancellationToken);
        Assert.True(Current() >= floor);
    }

    /// <summary>SIGTERM while there are hours of it to come.</summary>
    [Fact]
    public void BurnTo_CancelledMeanwhile_Ends()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
        Assert.Throws<OperationCanceledException>(() => PidFloor.BurnTo(Current() + 1_000_000, NullLogger.Instance, stop.Token));
    }

    private static int Current() => int.Parse(File.ReadAllText("/proc/sys/kernel/ns_last_pid"), CultureInfo.InvariantCulture);
}
