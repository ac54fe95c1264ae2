using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>Takes 4 s.</summary>
public sealed class DescriptorLimitTests
{
    /// <summary>More files than descriptors, in a folder where a file that is gone is nobody's loss.</summary>
    [Fact]
    public async Task Run_LowSoftLimit_TaskHasItAndTheAgentDoesNotAndAllFilesTravel()
    {
        const string script = Fleet.Gate + """
            ulimit -Sn; sed -n 's/^Max open files *\([0-9]*\).*/agent \1/p' /proc/1/limits
            for i in $(seq 1500); do echo $i >file-$i; done; echo ready; gate /run/go; cat file-* | sort -n | cmp - <(seq 1500) && ulimit -Sn
            """;
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var a = await fleet.MachineAsync("machine-a", new MachineBind(fleet.Folder("work-a"), "/work"));
        var run = await StartAsync(fleet, a, script);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        Assert.Equal("100\nagent 200\nready\n", (await fleet.TakeAwayAsync(a, run)).Text);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b", new MachineBind(fleet.Folder("work-b"), "/work"));
        Fleet.Open(b, "/run/go");
        var ended = await Fleet.EndAsync(await StartAsync(fleet, b, script));
        Fleet.AssertStatus(0, ended);
        Assert.Equal("100\n", ended.Text);
    }

    private static Task<MachineProcess> StartAsync(Fleet fleet, Machine machine, string script) => machine.StartAsync(
        ["/bin/bash", "-c", $"ulimit -Sn 100; ulimit -Hn 200; cd /work && exec {Fleet.Floe} run --notices=none --store {fleet.StoreUrl} --key {Fleet.Key} -- /bin/bash -c \"$0\"", script],
        fleet.Environment, Fleet.Token);
}
