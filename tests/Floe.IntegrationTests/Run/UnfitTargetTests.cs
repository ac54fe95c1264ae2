using System.Globalization;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>A restore that fails because of the machine or of the command line costs neither the snapshots nor what the task has done.</summary>
public sealed class UnfitTargetTests
{
    private const string Script = Fleet.Gate + "echo started; gate /run/one; echo one; gate /run/go; echo end";

    [Fact]
    public async Task Run_WithoutTheIncludeOfTheFirstRun_Status176AndTheRightLineGoesOn()
    {
        await using var fleet = new Fleet();
        const string script = Fleet.Gate + "echo started; echo kept >/data/kept; gate /run/go; cat /data/kept";
        string firstData = fleet.Folder("data-a"), secondData = fleet.Folder("data-b");
        var a = await fleet.MachineAsync("machine-a", new MachineBind(firstData, "/data"));
        var run = await fleet.RunScriptAsync(a, script, "--include", "/data");
        await Fleet.UntilPrintedAsync(run, "started\n");
        await Fleet.UntilAsync(run, () => File.Exists(Path.Combine(firstData, "kept")), "file");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b", new MachineBind(secondData, "/data"));
        Fleet.Open(b, "/run/go");
        await RefusedAsync(fleet, b, "/data", script);
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, "--lease-wait", "0", "--include", "/data"));
        Fleet.AssertStatus(0, second);
        Assert.Equal("kept\n", second.Text);
    }

    [Fact]
    public async Task Run_WithoutTheMountOfTheFirstRun_Status176AndTheRightLineGoesOn()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script, "--mount", "/mnt/buckets");
        await Fleet.UntilPrintedAsync(run, "started\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        await RefusedAsync(fleet, b, "--mount /mnt/buckets", Script);
        await GoesOnAsync(fleet, b, "--mount", "/mnt/buckets");
    }

    /// <summary>The older snapshot would fit: restoring it would cost the newer one.</summary>
    [Fact]
    public async Task Run_NewestSnapshotDoesNotFitHere_Status176AndNoneIsGivenUp()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        fleet.Environment["FLOE_IMAGE_DIGEST"] = "sha256:one";
        var b = await fleet.MachineAsync("machine-b");
        run = await fleet.RunScriptAsync(b, Script);
        Fleet.Open(b, "/run/one");
        await Fleet.UntilPrintedAsync(run, "one\n");
        await fleet.TakeAwayAsync(b, run);
        await b.DestroyAsync();
        Assert.Equal(2, fleet.Snapshots().Length);

        fleet.Environment["FLOE_IMAGE_DIGEST"] = "sha256:two";
        var c = await fleet.MachineAsync("machine-c");
        await RefusedAsync(fleet, c, "sha256:two", Script);
        fleet.Environment["FLOE_IMAGE_DIGEST"] = "sha256:one";
        await GoesOnAsync(fleet, c);
    }

    [Fact]
    public async Task Run_DoesNotFitAndToldToRestart_StartsFromTheBeginning()
    {
        await using var fleet = new Fleet();
        fleet.Environment["FLOE_IMAGE_DIGEST"] = "sha256:one";
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        fleet.Environment["FLOE_IMAGE_DIGEST"] = "sha256:two";
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/go");
        var clean = await Fleet.EndAsync(await fleet.RunScriptAsync(b, Script, "--on-restore-failure", "restart"));
        Fleet.AssertStatus(0, clean);
        Assert.Equal("started\none\nend\n", clean.Text);
    }

    /// <summary>Nobody knows whether it is the snapshots or the machine: no reason to throw them away.</summary>
    [Fact]
    public async Task Run_CriuFailsForNoKnownReason_Status176AndTheNewestIsThereForTheNextMachine()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        Fleet.Open(a, "/run/one");
        await Fleet.UntilPrintedAsync(run, "one\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        var fake = b.RootPath + "/opt/fake-criu";
        await File.WriteAllTextAsync(fake, "#!/bin/sh\n[ \"$1\" != --version ] || { echo Version: 99.0; exit; }\nexit 1\n", Fleet.Token);
        File.SetUnixFileMode(fake, (UnixFileMode)0x1ED);
        fleet.Environment["FLOE_CRIU"] = "/opt/fake-criu";
        await RefusedAsync(fleet, b, "CRIU ended", Script);
        fleet.Environment.Remove("FLOE_CRIU");
        await GoesOnAsync(fleet, b);
    }

    /// <summary>A forked tree shares its heap: what it needs is not the sum of what its processes have.</summary>
    [Fact]
    public async Task Snapshot_ProcessesShareAHeap_ManifestCountsItOnce()
    {
        const string program = """
            import os, time
            heap = bytearray(os.urandom(40 << 20))
            for i in range(7):
                if os.fork() == 0: time.sleep(1000)
            print('forked', flush=True)
            time.sleep(1000)
            """;
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], "/usr/bin/python3", "-c", program);
        await Fleet.UntilPrintedAsync(run, "forked\n");
        await fleet.TakeAwayAsync(a, run);
        var task = Fleet.Json(await fleet.FloeAsync(a, "show", Fleet.Key, "--store", "file:///store", "--json")).GetProperty("snapshots")[0].GetProperty("manifest").GetProperty("task");
        Assert.InRange(long.Parse(task.GetProperty("options").GetProperty("memoryBytes").GetString()!, CultureInfo.InvariantCulture), 40 << 20, 150 << 20);
    }

    private static async Task RefusedAsync(Fleet fleet, Machine machine, string named, string script)
    {
        var snapshots = fleet.Snapshots();
        var refused = await Fleet.EndAsync(await fleet.RunScriptAsync(machine, script));
        Fleet.AssertStatus(176, refused);
        Assert.Empty(refused.Text);
        var last = refused.Errors.TrimEnd('\n').Split('\n')[^1];
        Assert.StartsWith("floe: ", last, StringComparison.Ordinal);
        Assert.Contains(named, last, StringComparison.Ordinal);
        Assert.Contains("--on-restore-failure=restart", last, StringComparison.Ordinal);
        Assert.Equal(snapshots, fleet.Snapshots());
    }

    private static async Task GoesOnAsync(Fleet fleet, Machine machine, params string[] options)
    {
        Fleet.Open(machine, "/run/one");
        Fleet.Open(machine, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(machine, Script, ["--lease-wait", "0", .. options]));
        Fleet.AssertStatus(0, second);
        Assert.DoesNotContain("started", second.Text, StringComparison.Ordinal);
        Assert.EndsWith("end\n", second.Text, StringComparison.Ordinal);
    }
}
