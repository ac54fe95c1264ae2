using Xunit;

namespace Floe.IntegrationTests.Criu;

/// <summary>Dumps of a real process tree by a real CRIU: only a dump that succeeds may touch the task.</summary>
public sealed class CriuDumpTests : IDisposable
{
    private readonly TestMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public async Task Restore_OnAnotherMachine_GoesOnWithTheSameOutput()
    {
        var (task, reference) = await TreeAsync();
        await _machine.RunAsync("dump", ["kill", .. task]);
        Assert.Equal("committed", _machine.Text("result"));
        Assert.Equal("signal 9", _machine.Text("status.1"));
        Assert.NotEqual(reference, _machine.Text("out.1"));
        await _machine.RunAsync("restore");
        Assert.Equal("exit status 0", _machine.Text("status.2"));
        Assert.Equal(reference, _machine.Text("out.1") + _machine.Text("out.2"));
    }

    [Theory]
    [InlineData("leave", "committed")]
    [InlineData("refuse", "InvalidOperationException: the store is gone")]
    [InlineData("cancel", "OperationCanceledException: ")]
    [InlineData("criu-killed", "CriuException: dump failed: CRIU ended with signal 9: process ")]
    [InlineData("criu-killed-at:pstree.img", "CriuException: dump failed: CRIU ended with signal 9")]
    [InlineData("sink-fails-at:ghost-file-1.img", "InvalidOperationException: the store is full")]
    [InlineData("sink-fails-at:pstree.img", "InvalidOperationException: the store is full")]
    public async Task Dump_NotToTheEnd_LeavesTheTaskRunning(string mode, string result)
    {
        var (task, reference) = await TreeAsync();
        await _machine.RunAsync("dump", [mode, .. task]);
        Assert.StartsWith(result, _machine.Text("result"));
        Assert.Equal("exit status 0", _machine.Text("status.1"));
        Assert.Equal(reference, _machine.Text("out.1"));
    }

    [Fact]
    public async Task Dump_TaskWithIoUring_IsRefusedAndTheTaskGoesOn()
    {
        await _machine.RunAsync("dump", ["refused", .. await UnderInitAsync(Programs.IoUring)]);
        Assert.Contains("io_uring", _machine.Text("result"));
        Assert.Equal("went on\n", _machine.Text("out.1"));
    }

    [Fact]
    public async Task Restore_DamagedImage_FailsWithItsErrorAndLeavesNoProcess()
    {
        var (task, _) = await TreeAsync();
        await _machine.RunAsync("dump", ["kill", .. task]);
        await _machine.RunAsync("restore", "ghost-file-1.img");
        Assert.Equal("ghost-file-1.img is damaged", _machine.Text("result"));
        Assert.Equal("", _machine.Text("left"));
    }

    [Fact]
    public async Task Restore_PeriodicTimerThatHadExpired_TicksOn()
    {
        await _machine.RunAsync("dump", ["kill", .. await UnderInitAsync(Programs.PeriodicTimer)]);
        await _machine.RunAsync("restore");
        Assert.Equal("ticked\n", _machine.Text("out.1") + _machine.Text("out.2"));
    }

    private async Task<(string[] Task, string Reference)> TreeAsync()
    {
        var task = await UnderInitAsync(Programs.Tree);
        return (task, await _machine.ReferenceAsync(task));
    }

    private async Task<string[]> UnderInitAsync(string program) =>
        [Path.Combine(await TestMachine.CriuPrefixAsync(), "bin", "tini"), "-s", "--", "/usr/bin/python3", _machine.Write("task.py", program)];
}
