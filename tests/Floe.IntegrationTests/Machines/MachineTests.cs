using Floe.Testing;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Machines;

public sealed class MachineTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task StartAsync_Container_IsPidOneWithOwnHostNameAndRoot()
    {
        await using var machine = await Machine.CreateAsync(new() { HostName = "alpha", BundleAt = null }, Token);
        var result = await machine.RunAsync(["/bin/sh", "-c", "echo $$ $(hostname) $(ls -A /home /tmp /dev/shm | grep -vc :)"], cancellationToken: Token);
        Assert.Equal("1 alpha 2\n", result.Text);
    }

    [Fact]
    public async Task StartAsync_Host_RunsBesideAnInit()
    {
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host, BundleAt = null }, Token);
        var result = await machine.RunAsync(["/bin/sh", "-c", "test $$ -gt 1 && test -d /proc/1 && echo beside"], cancellationToken: Token);
        Assert.Equal("beside\n", result.Text);
    }

    [Fact]
    public async Task RunAsync_WritesEverywhere_NeverReachTheHost()
    {
        var name = $"floe-machine-test-{Environment.ProcessId}";
        await using var machine = await Machine.CreateAsync(new() { BundleAt = null }, Token);
        var result = await machine.RunAsync(
            ["/bin/sh", "-c", $"for d in / /etc /usr /tmp /dev/shm /run /var/tmp; do echo x >$d/{name} || exit 1; done"], cancellationToken: Token);
        Assert.True(result.Status.Success, result.Errors);
        Assert.True(File.Exists($"{machine.RootPath}/etc/{name}"));
        Assert.All(["/", "/etc", "/usr", "/tmp", "/dev/shm", "/run", "/var/tmp"], folder => Assert.False(File.Exists($"{folder}/{name}")));
    }

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task DestroyAsync_ProcessesRun_AllAreKilled(MachineKind kind)
    {
        var machine = await Machine.CreateAsync(new() { Kind = kind, BundleAt = null }, Token);
        var process = await machine.StartAsync(["/bin/sh", "-c", "setsid sleep 1000 & sleep 1000 & wait"], cancellationToken: Token);
        var beside = await machine.StartBesideAsync(process, ["/bin/sleep", "1000"], cancellationToken: Token);
        await machine.DestroyAsync();
        Assert.Equal(9, (await process.Ended).Signal);
        Assert.Equal(9, (await beside.Ended).Signal);
        Assert.False(Directory.Exists($"/proc/{process.HostPid}"));
        Assert.False(Directory.Exists($"/proc/{beside.HostPid}"));
    }

    [Fact]
    public async Task WaitAsync_CommandFails_ReturnsItsStatusAndOutput()
    {
        await using var machine = await Machine.CreateAsync(new() { BundleAt = null }, Token);
        var result = await machine.RunAsync(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], cancellationToken: Token);
        Assert.Equal((7, "out\n", "err\n"), (result.Status.Code, result.Text, result.Errors));
    }

    [Fact]
    public async Task Signal_Term_ReachesTheCommand()
    {
        await using var machine = await Machine.CreateAsync(new() { BundleAt = null }, Token);
        var process = await machine.StartAsync(["/bin/sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"], cancellationToken: Token);
        while (process.Output.Length == 0)
        {
            await Task.Delay(10, Token);
        }

        process.Signal(15);
        Assert.Equal(3, (await process.WaitAsync(Token)).Status.Code);
    }

    [Fact]
    public async Task CreateAsync_NoSuchRoot_SaysSo()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Machine.CreateAsync(new() { RootFileSystem = "/no/such/root", BundleAt = null }, Token));
        Assert.Contains("no folder /no/such/root", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Store_TwoMachines_SeeTheSameFolder()
    {
        using var scratch = new ScratchFolder();
        await using var first = await Machine.CreateAsync(new() { Store = scratch.Path, BundleAt = null }, Token);
        await using var second = await Machine.CreateAsync(new() { Store = scratch.Path, BundleAt = null }, Token);
        await first.RunAsync(["/bin/sh", "-c", "echo here >/store/file"], cancellationToken: Token);
        Assert.Equal("here\n", (await second.RunAsync(["/bin/cat", "/store/file"], cancellationToken: Token)).Text);
    }
}
