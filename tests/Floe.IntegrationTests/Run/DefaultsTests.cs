using System.Text.RegularExpressions;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class DefaultsTests
{
    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_NoKeyNoStore_BothArePrintedAndTheSameForTheSameLine(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        async Task<string> KeyAsync(string script)
        {
            var result = await fleet.ShellAsync(machine, script);
            Fleet.AssertStatus(0, result);
            var match = Regex.Match(result.Errors, @"task (\S+), store (\S+)\n");
            Assert.True(match.Success, result.Errors);
            Assert.Equal("file:///var/lib/floe/store", match.Groups[2].Value);
            return match.Groups[1].Value;
        }

        var key = await KeyAsync($"cd /root && exec {Fleet.Floe} run --notices=none -- /bin/echo one");
        Assert.StartsWith("echo-", key, StringComparison.Ordinal);
        Assert.Equal(key, await KeyAsync($"cd /root && exec {Fleet.Floe} run --notices=none -- /bin/echo one"));
        Assert.NotEqual(key, await KeyAsync($"cd /root && exec {Fleet.Floe} run --notices=none -- /bin/echo two"));
        Assert.NotEqual(key, await KeyAsync($"cd /etc && exec {Fleet.Floe} run --notices=none -- /bin/echo one"));
        Assert.NotEqual(
            await KeyAsync($"cd /root && exec {Fleet.Floe} run --notices=none -- /bin/echo \"$(printf '\\377')\""),
            await KeyAsync($"cd /root && exec {Fleet.Floe} run --notices=none -- /bin/echo \"$(printf '\\376')\""));
    }

    [Fact]
    public async Task Run_BatchJob_KeyIsTheJobs()
    {
        await using var fleet = new Fleet();
        fleet.Environment["AWS_BATCH_JOB_ID"] = "11112222-3333-4444-5555-666677778888";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.FloeAsync(machine, "run", "--notices=none", "--store", "file:///store", "--", "/bin/true");
        Fleet.AssertStatus(0, result);
        Assert.Contains("task batch-11112222-3333-4444-5555-666677778888-", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Variables_AreUsedAndTheCommandLineWins()
    {
        await using var fleet = new Fleet();
        fleet.Environment["FLOE_STORE"] = "file:///store";
        fleet.Environment["FLOE_KEY"] = "from-variable";
        fleet.Environment["FLOE_NOTICES"] = "none";
        var machine = await fleet.MachineAsync("machine-a");
        Assert.Contains("task from-variable, store file:///store", (await fleet.FloeAsync(machine, "run", "--", "/bin/true")).Errors, StringComparison.Ordinal);
        Assert.Contains("task from-line, store file:///store", (await fleet.FloeAsync(machine, "run", "--key", "from-line", "--", "/bin/true")).Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_OtherUser_DefaultStoreIsInTheUsersDataFolder()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var machine = await fleet.MachineAsync("machine-a");
        const string asUser = "mkdir -m 777 /tmp/home && cd / && exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp/home";
        Assert.Contains("file:///tmp/home/.local/share/floe/store", (await fleet.ShellAsync(machine, $"{asUser} {Fleet.Floe} list")).Errors, StringComparison.Ordinal);
    }

    /// <summary>Better said at the start than at the notice.</summary>
    [Fact]
    public async Task Run_MachineThatCannotFreeze_IsToldAtTheStartAndTheCommandRuns()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $"exec setpriv --bounding-set=-sys_time -- {Fleet.Floe} run --notices=none --store file:///store -- /bin/echo ran");
        Fleet.AssertStatus(0, result);
        Assert.Equal("ran\n", result.Text);
        Assert.Contains("Snapshots will fail here: CAP_SYS_TIME", result.Errors, StringComparison.Ordinal);
        Assert.Contains("--cap-add=SYS_TIME", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("FLOE_ON_TERM", "explode")]
    [InlineData("FLOE_LEASE_WAIT", "soon")]
    [InlineData("FLOE_STORE", "ftp://x")]
    [InlineData("FLOE_INCLUDE", "relative")]
    public async Task Run_VariableMakesNoSense_Status2AndItsValueIsNamed(string variable, string value)
    {
        await using var fleet = new Fleet();
        fleet.Environment[variable] = value;
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.FloeAsync(machine, "run", "--notices=none", "--", "/bin/true");
        Fleet.AssertStatus(2, result);
        Assert.Contains(value, result.Errors, StringComparison.Ordinal);
    }
}
