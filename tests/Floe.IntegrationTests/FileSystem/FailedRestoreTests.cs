using Floe.Testing.S3;
using Xunit;
using static Floe.IntegrationTests.FileSystem.MountedFleet;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>Files on a mount whose task a machine could not take over: its snapshot is as good for the next one.</summary>
public sealed class FailedRestoreTests
{
    private const string Gate = "gate() { until [ -e \"$1\" ]; do sleep 0.02; done; }; ";

    [Fact]
    public async Task Run_RestoreFailsWithAFileNotUploadedYet_TheNextMachineGoesOnFromTheSameSnapshot()
    {
        await using var fleet = await StartAsync();
        const string script = Gate + "seq 1000000 3500000 > log; sync log; echo half; gate /var/tmp/more; echo more >> log; echo closed; gate /var/tmp/go; echo last >> log";
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await UntilPrintedAsync(run, "half");
        var waiting = 0;
        fleet.Server.Faults.Add(new(S3DoubleFaultKind.Stall, int.MaxValue) { Where = c => c.Method == "PUT" && c.Key == "work/log" && Interlocked.Increment(ref waiting) > 0 });
        Open(a, "/var/tmp/more");
        await UntilPrintedAsync(run, "closed");
        await UntilAsync(run, () => Volatile.Read(ref waiting) > 0, "an upload that does not end");
        await fleet.TakeAwayAsync(a, run);
        fleet.Server.Faults.Clear();

        var b = await fleet.MachineAsync("machine-b");
        var fake = b.RootPath + "/opt/fake-criu";
        await File.WriteAllTextAsync(fake, "#!/bin/sh\n[ \"$1\" != --version ] || { echo Version: 99.0; exit; }\nsleep 2; exit 1\n", Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0x1ED);
        fleet.Variables["FLOE_CRIU"] = "/opt/fake-criu";
        var refused = await EndAsync(await fleet.RunScriptAsync(b, script));
        Assert.True(refused.Status.ShellCode == 176, $"{refused.Status}: {refused.Errors}");
        await b.DestroyAsync();
        fleet.Variables.Clear();

        await GoesOnAsync(fleet, script, string.Concat(Enumerable.Range(1_000_000, 2_500_001).Select(i => $"{i}\n")) + "more\nlast\n");
        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    [Fact]
    public async Task Run_TaskCrashesAsSoonAsItIsRestored_TheNextMachineGoesOnFromTheSameSnapshot()
    {
        await using var fleet = await StartAsync();
        const string script = Gate + "seq 1000000 1200000 > log; sync log; exec 3>>log; echo half; gate /var/tmp/go; echo more >&3; [ ! -e /var/tmp/crash ] || kill -SEGV $$; echo last >&3";
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await UntilPrintedAsync(run, "half");
        await fleet.TakeAwayAsync(a, run);

        var b = await fleet.MachineAsync("machine-b");
        Open(b, "/var/tmp/crash");
        Open(b, "/var/tmp/go");
        var crashed = await EndAsync(await fleet.RunScriptAsync(b, script));
        Assert.True(crashed.Status.ShellCode == 176, $"{crashed.Status}: {crashed.Errors}");
        await b.DestroyAsync();

        await GoesOnAsync(fleet, script, string.Concat(Enumerable.Range(1_000_000, 200_001).Select(i => $"{i}\n")) + "more\nlast\n");
    }

    private static async Task GoesOnAsync(MountedFleet fleet, string script, string log)
    {
        var c = await fleet.MachineAsync("machine-c");
        Open(c, "/var/tmp/go");
        var ended = await EndAsync(await fleet.RunScriptAsync(c, script));
        Assert.True(ended.Status.ShellCode == 0, $"{ended.Status}: {ended.Errors}");
        Assert.Contains("Restored snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.True(log == fleet.Text("log"), "the log is another");
    }
}
