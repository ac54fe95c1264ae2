using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What CRIU is told of the CPU on either side: it looks itself, but where the task was held to a level that Floe has checked.</summary>
public sealed class CriuLineTests
{
    private const string Script = Fleet.Gate + "echo ready; gate /run/go";

    private const string Noting = "#!/bin/sh\necho \"$@\" >>/run/criu-lines\nexec /opt/floe/lib/floe/criu/lib/ld-linux-*.so.* --library-path /opt/floe/lib/floe/criu/lib /opt/floe/lib/floe/criu/bin/criu \"$@\"\n";

    [Theory]
    [InlineData("--cpu-cap=fpu,ins")]
    [InlineData("--cpu-cap=none", "--cpu-baseline", "x86-64-v2")]
    public async Task Run_SnapshotAndRestore_BothTellCriuTheSame(string expected, params string[] options)
    {
        await using var fleet = new Fleet();
        fleet.Environment["FLOE_CRIU"] = "/opt/noting-criu";
        var machine = await fleet.MachineAsync("machine-a");
        await File.WriteAllTextAsync(machine.RootPath + "/opt/noting-criu", Noting, Fleet.Token);
        File.SetUnixFileMode(machine.RootPath + "/opt/noting-criu", (UnixFileMode)0x1ED);
        var run = await fleet.RunScriptAsync(machine, Script, options);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(machine, run);
        Fleet.Open(machine, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(await fleet.RunScriptAsync(machine, Script, options)));
        Assert.Contains($" {expected} ", await LineAsync(machine, "dump"), StringComparison.Ordinal);
        Assert.Contains($" {expected} ", await LineAsync(machine, "restore"), StringComparison.Ordinal);
    }

    private static async Task<string> LineAsync(Machine machine, string verb) =>
        Assert.Single(await File.ReadAllLinesAsync(machine.RootPath + "/run/criu-lines", Fleet.Token), line => line.StartsWith(verb + " ", StringComparison.Ordinal));
}
