using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class WrongUsageTests
{
    [Fact]
    public async Task Run_WrongUsage_Status2AndALineThatSaysWhatIsWrong()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        (string[] Words, string Named)[] lines =
        [
            (["run", "--notices=none"], "no command"),
            (["run", "--notices=none", "--colour", "blue", "--", "true"], "--colour"),
            (["run", "--on-term", "explode", "--", "true"], "explode"),
            (["run", "--lease-wait", "soon", "--", "true"], "soon"),
            (["run", "--lease-wait", "-1", "--", "true"], "--lease-wait"),
            (["run", "--key", "a/../b", "--", "true"], "a/../b"),
            (["run", "--store", "ftp://x/y", "--", "true"], "ftp"),
            (["run", "--include", "relative", "--", "true"], "relative"),
            (["run", "--cpu-baseline", "x86-64-v9", "--", "true"], "x86-64-v9"),
            (["thaw"], "thaw"),
            (["show"], "KEY"),
            (["snapshot", "--key", "absent"], "absent"),
            (["show", "absent", "--store", "file:///store"], "absent"),
            (["verify", "absent", "--store", "file:///store"], "absent"),
            (["verify", "absent", "--store", "file:///store", "--json"], "absent"),
        ];
        await fleet.FloeAsync(machine, "run", "--notices=none", "--store", "file:///store", "--key", "first", "--", "true");
        foreach (var (words, named) in lines)
        {
            var result = await fleet.FloeAsync(machine, words);
            Assert.True(result.Status.ShellCode == 2, $"{string.Join(' ', words)}: {result.Status}: {result.Errors}{result.Text}");
            Assert.Contains(named, result.Errors, StringComparison.Ordinal);
            Assert.True(result.Errors.TrimEnd('\n').Split('\n').Length <= 2, $"more than a line and a hint: {result.Errors}");
            Assert.Empty(result.Text);
            Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Run_OptionsBehindTheCommandWithoutDashes_NeverRunAnotherCommand()
    {
        await using var fleet = new Fleet();
        var machine = await fleet.MachineAsync("machine-a");
        var result = await fleet.FloeAsync(machine, "run", "--notices=none", "--store", "file:///store", "/bin/echo", "/bin/false", "--keep");
        if (result.Status.ShellCode == 2)
        {
            return;
        }

        Fleet.AssertStatus(0, result);
        Assert.StartsWith("/bin/false", result.Text, StringComparison.Ordinal);
    }
}
