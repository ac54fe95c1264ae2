using System.Text.Json;
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
}
