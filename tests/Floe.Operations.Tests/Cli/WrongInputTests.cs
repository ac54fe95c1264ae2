using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>What cannot be is refused in one line, which names what the user wrote: the option, or the variable.</summary>
public sealed class WrongInputTests
{
    [Theory]
    [InlineData("check --pid abc", "--pid takes a whole number from 1 on; not 'abc'")]
    [InlineData("export job folder --snapshot x", "--snapshot takes a whole number from 1 on; not 'x'")]
    [InlineData("rm job --snapshot -1", "--snapshot takes a whole number from 1 on; not '-1'")]
    [InlineData("report --share x", "--share takes a number above 0, at most 1; not 'x'")]
    [InlineData("report --share 0", "--share takes a number above 0, at most 1; not '0'")]
    [InlineData("list --json=x", "'x'")]
    [InlineData("mount --cache-size 20Gx /tmp", "--cache-size: '20Gx' is no size")]
    [InlineData("mount --umask 9 /tmp", "--umask takes an octal mode")]
    [InlineData("mount --tags x /tmp", "--tags: ")]
    [InlineData("mount --store-root http://x /tmp", "--store-root")]
    [InlineData("run --cache-size 5G -- true", "--cache-size goes with --mount DIR")]
    [InlineData("run --tags [*](a=b) -- true", "--tags goes with --mount DIR")]
    [InlineData("run --mount-root s3://b -- true", "--mount-root goes with --mount DIR")]
    [InlineData("run --mount /m --cache-size much -- true", "--cache-size: 'much' is no size")]
    [InlineData("run --key a/b -- true", "--key 'a/b'")]
    [InlineData("run --notice-poll 9 -- true", "--notice-poll takes 1 to 5 seconds; not '9'")]
    public Task Floe_OptionThatMakesNoSense_IsNamed(string line, string expected) => RefusedAsync(line, [], expected);

    [Theory]
    [InlineData("run -- true", "FLOE_ON_TERM", "x", "FLOE_ON_TERM takes forward, snapshot; not 'x'")]
    [InlineData("run -- true", "FLOE_INCLUDE", "a", "FLOE_INCLUDE takes absolute paths; not 'a'")]
    [InlineData("run -- true", "FLOE_KEY", "a/b", "FLOE_KEY 'a/b'")]
    [InlineData("run -- true", "FLOE_CPU_BASELINE", "v9", "FLOE_CPU_BASELINE: ")]
    [InlineData("run -- true", "FLOE_MOUNT_CACHE", "/c", "FLOE_MOUNT_CACHE goes with --mount DIR")]
    [InlineData("run --mount /m -- true", "FUSION_CACHE_SIZE", "much", "FUSION_CACHE_SIZE: 'much' is no size")]
    [InlineData("run --mount /m -- true", "FLOE_CACHE_SIZE", "much", "FLOE_CACHE_SIZE: 'much' is no size")]
    [InlineData("check", "FLOE_CPU_BASELINE", "v9", "FLOE_CPU_BASELINE: ")]
    [InlineData("mount /tmp", "FLOE_UMASK", "9", "FLOE_UMASK takes an octal mode")]
    [InlineData("mount /tmp", "FUSION_TAGS", "x", "FUSION_TAGS: ")]
    [InlineData("list", "FLOE_LOG", "verbose", "FLOE_LOG takes trace, debug, info, warn or error; not 'verbose'")]
    [InlineData("list", "FLOE_LOG_FILE", "/does/not/exist/log", "FLOE_LOG_FILE: the log cannot be written to /does/not/exist/log: No such file or directory")]
    public Task Floe_VariableThatMakesNoSense_IsNamed(string line, string variable, string value, string expected) => RefusedAsync(line, [(variable, value)], expected);

    /// <summary>Nextflow sets them for every task.</summary>
    [Fact]
    public async Task Run_VariablesOfAMountWithoutAMount_AreNoFault()
    {
        var said = await FloeProgram.RunAsync(["run", "--key", "a/b", "--", "true"], [("FUSION_CACHE_SIZE", "5G"), ("FUSION_TAGS", "[*](a=b)"), ("FLOE_CACHE_SIZE", "5G")]);
        Assert.Contains("--key 'a/b'", said.Error, StringComparison.Ordinal);
    }

    private static async Task RefusedAsync(string line, IReadOnlyList<(string, string)> variables, string expected)
    {
        var said = await FloeProgram.RunAsync(line.Split(' '), variables);
        Assert.Equal((2, ""), (said.Status, said.Out));
        Assert.StartsWith("floe: ", said.Error, StringComparison.Ordinal);
        Assert.Contains(expected, said.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", said.Error, StringComparison.Ordinal);
        Assert.InRange(said.Error.TrimEnd().Split('\n').Length, 1, 2);
    }
}
