using System.Globalization;
using System.Text.Json;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class CheckVerbTests
{
    [Fact]
    public async Task Check_MachineThatCanFreezeAndThaw_HasAskedCriuItself()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var said = await fleet.FloeAsync(machine, "check", "--json");
        Fleet.AssertStatus(0, said);
        using var json = JsonDocument.Parse(said.Text);
        var criu = json.RootElement.EnumerateArray().Single(line => line.GetProperty("name").GetString() == "CRIU");
        Assert.Contains("criu check passes", criu.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 0, null)]
    [InlineData("5</dev/fuse", 1, "/dev/fuse")]
    public async Task Check_ProcessTree_SaysWhetherItCanBeFrozen(string redirection, int status, string? named)
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var machine = await fleet.MachineAsync("machine-a");
        var process = await machine.StartAsync(["/bin/bash", "-c", $"cd /; setsid sleep 1000 <&- >&- 2>&- {redirection} & until grep -q sleep /proc/$!/comm; do sleep 0.02; done; echo $!; wait"], fleet.Environment, Fleet.Token);
        await Fleet.UntilPrintedAsync(process, "\n");
        var pid = int.Parse(System.Text.Encoding.UTF8.GetString(process.Output), CultureInfo.InvariantCulture);
        var said = await fleet.FloeAsync(machine, "check", "--pid", $"{pid}");
        Fleet.AssertStatus(status, said);
        Assert.Contains("1 process looked at", said.Text, StringComparison.Ordinal);
        var failed = said.Text.Split('\n').Where(line => line.StartsWith("fail", StringComparison.Ordinal)).ToList();
        Assert.Equal(status, failed.Count);
        if (named is not null)
        {
            Assert.Contains(named, failed[0], StringComparison.Ordinal);
            Assert.Contains("→", said.Text.Split('\n')[Array.IndexOf(said.Text.Split('\n'), failed[0]) + 1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Check_NoSuchProcess_IsWrongUsage()
    {
        await using var fleet = new Fleet { Kind = MachineKind.Host };
        var said = await fleet.FloeAsync(await fleet.MachineAsync("machine-a"), "check", "--pid", "4194303");
        Fleet.AssertStatus(2, said);
        Assert.Equal("floe: --pid: there is no process 4194303\n", said.Errors);
    }
}
