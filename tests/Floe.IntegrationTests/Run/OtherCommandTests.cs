using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>A key that is given twice by mistake: the second command must not be taken for the first.</summary>
public sealed class OtherCommandTests
{
    private const string Script = Fleet.Gate + "echo started; gate /run/go; echo first ends";

    [Fact]
    public async Task Run_KeyIsOfAnotherCommand_Status2AndTheFirstIsKept()
    {
        await using var fleet = new Fleet();
        var machine = await TakenAwayAsync(fleet);
        var snapshots = fleet.Snapshots();
        var refused = await Fleet.EndAsync(await fleet.RunAsync(machine, [], "/bin/echo", "something", "else"));
        Fleet.AssertStatus(2, refused);
        Assert.Empty(refused.Text);
        var last = refused.Errors.TrimEnd('\n').Split('\n')[^1];
        Assert.Contains("'/bin/echo'", last, StringComparison.Ordinal);
        Assert.Contains("--if-command-differs=resume", last, StringComparison.Ordinal);
        Assert.Equal(snapshots, fleet.Snapshots());

        // Its lease was given back.
        var first = await Fleet.EndAsync(await fleet.RunScriptAsync(machine, Script, "--lease-wait", "0"));
        Fleet.AssertStatus(0, first);
        Assert.Equal("first ends\n", first.Text);
    }

    [Fact]
    public async Task Run_SameCommandInAnotherFolder_Status2()
    {
        await using var fleet = new Fleet();
        var machine = await TakenAwayAsync(fleet);
        var refused = await fleet.ShellAsync(machine, $"cd /etc && exec {Fleet.Floe} run --notices=none --store file:///store --key {Fleet.Key} -- /bin/bash -c \"$1\"", Script);
        Fleet.AssertStatus(2, refused);
        Assert.Contains("'/etc'", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_KeyIsOfAnotherCommandAndResumeIsAskedFor_TheFirstGoesOn()
    {
        await using var fleet = new Fleet();
        var machine = await TakenAwayAsync(fleet);
        var result = await Fleet.EndAsync(await fleet.RunAsync(machine, ["--if-command-differs", "resume"], "/bin/echo", "something", "else"));
        Fleet.AssertStatus(0, result);
        Assert.Equal("first ends\n", result.Text);
        Assert.Contains("not the one of this line", result.Errors, StringComparison.Ordinal);
    }

    private static async Task<Machine> TakenAwayAsync(Fleet fleet)
    {
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, Script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        return b;
    }
}
