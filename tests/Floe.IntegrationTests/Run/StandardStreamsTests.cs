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
    public async Task Run_HalfALine_IsPassedOnBeforeItsEnd()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(machine, Fleet.Gate + "printf half; printf half-an-error >&2; gate /run/go; echo ' and half'");
        await Fleet.UntilPrintedAsync(run, "half");
        await Fleet.UntilLoggedAsync(run, "half-an-error");
        Fleet.Open(machine, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.Equal("half and half\n", result.Text);
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

    /// <summary>As cron jobs and daemons do; what the program opens first would else be its standard error.</summary>
    [Theory]
    [InlineData("<&-")]
    [InlineData("<&- 2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public async Task Run_StandardDescriptorsAreClosed_TaskHasNullThere(string redirection)
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(
            machine, $"{Fleet.Floe} run --notices=none --store file:///store -- /bin/bash -c 'echo out; echo err >&2; cat; echo done > /run/done; exit 5' {redirection}");
        Fleet.AssertStatus(5, result);
        Assert.Equal("done\n", await File.ReadAllTextAsync(machine.RootPath + "/run/done", Fleet.Token));
        Assert.Equal(redirection.Contains(">&-", StringComparison.Ordinal) && !redirection.StartsWith("<&- 2", StringComparison.Ordinal) ? "" : "out\n", result.Text);
    }

    [Fact]
    public async Task Run_OutputTakesNoMore_IsToldAndIsNoSuccess()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(
            machine,
            $"mkdir /small && mount -t tmpfs -o size=64k none /small && exec {Fleet.Floe} run --notices=none --store file:///store -- /bin/bash -c 'head -c 65000 /dev/zero; echo x; sleep 0.2; head -c 3000 /dev/zero' > /small/out");
        Fleet.AssertStatus(174, result);
        Assert.Contains("not all that it wrote to its output could be passed on: stdout: No space left on device", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_FewDescriptorsAllowed_TaskRuns()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $"ulimit -n 128; exec {Fleet.Floe} run --notices=none --store file:///store -- /bin/bash -c 'ulimit -n'");
        Fleet.AssertStatus(0, result);
        Assert.Equal("128\n", result.Text);
    }

    [Fact]
    public async Task Run_WorkingDirectoryIsGone_OneLineSaysSo()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.ShellAsync(machine, $"mkdir /gone; cd /gone; rmdir /gone; exec {Fleet.Floe} run --notices=none --store file:///store -- /bin/true");
        Fleet.AssertStatus(2, result);
        Assert.Equal("floe: the working directory is not there any more; change to another one and run this again", Assert.Single(result.Errors.TrimEnd('\n').Split('\n')));
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
