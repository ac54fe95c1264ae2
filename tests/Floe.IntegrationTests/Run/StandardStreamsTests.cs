using System.Text;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class StandardStreamsTests
{
    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_TwoFiles_StdinIsNullAndStdoutAndStderrStaySeparate(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        var machine = await fleet.MachineAsync("machine-a");
        var result = await Fleet.EndAsync(await fleet.RunScriptAsync(machine, "readlink /proc/self/fd/0; cat; echo out; echo err >&2"));
        Fleet.AssertStatus(0, result);
        Assert.Equal("/dev/null\nout\n", result.Text);
        Assert.Equal("err\n", string.Concat(result.Errors.Split('\n').Where(line => line.Length > 0 && !line.StartsWith("floe: ", StringComparison.Ordinal)).Select(line => line + "\n")));
    }

    [Theory]
    [InlineData("> /run/both 2>&1")]
    [InlineData(">> /run/both 2>&1")]
    [InlineData("2>&1 | cat > /run/both")]
    public async Task Run_OneFileForBoth_LinesKeepTheirOrder(string redirection)
    {
        await using var fleet = new Fleet();
        fleet.Environment["FLOE_LOG_FILE"] = "/run/floe.log";
        var machine = await fleet.MachineAsync("machine-a");
        const string task = "for i in {1..400}; do echo out $i; echo err $i >&2; done";
        var result = await fleet.ShellAsync(machine, $"{Fleet.Floe} run --notices=none --store file:///store -- /bin/bash -c '{task}' {redirection}");
        Fleet.AssertStatus(0, result);
        var expected = string.Concat(Enumerable.Range(1, 400).Select(i => $"out {i}\nerr {i}\n"));
        Assert.Equal(expected, await File.ReadAllTextAsync(machine.RootPath + "/run/both", Fleet.Token));
    }

    [Fact]
    public async Task Run_BinaryOutput_IsUnchanged()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await Fleet.EndAsync(await fleet.RunScriptAsync(machine, "head -c 3000001 /dev/urandom | tee /run/copy"));
        Fleet.AssertStatus(0, result);
        Assert.Equal(await File.ReadAllBytesAsync(machine.RootPath + "/run/copy", Fleet.Token), result.Output);
    }

    [Fact]
    public async Task Run_ArgumentIsNoUtf8_ReachesTheCommandUnchanged()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $$"""a=$(printf 'a\377\376\200z'); exec {{Fleet.Floe}} run --notices=none --store file:///store -- /usr/bin/printf '%s|' "$a" "" "$a" 'ü' """);
        Fleet.AssertStatus(0, result);
        Assert.Equal([.. "a"u8, 0xff, 0xfe, 0x80, .. "z||a"u8, 0xff, 0xfe, 0x80, .. "z|"u8, .. Encoding.UTF8.GetBytes("ü|")], result.Output);
    }
}
