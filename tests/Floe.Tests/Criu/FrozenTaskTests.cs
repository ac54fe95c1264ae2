using Floe.Criu.Dump;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class FrozenTaskTests
{
    private const string Held = "Name:\tsh\nState:\tt (tracing stop)\nTracerPid:\t55\n";

    [Fact]
    public void EnsureFrozen_EveryThreadHeldByCriu_Passes() => Task(_ => Held).EnsureFrozen();

    [Fact]
    public void EnsureFrozen_Zombie_Passes() => Task(_ => "State:\tZ (zombie)\nTracerPid:\t0\n").EnsureFrozen();

    [Theory]
    [InlineData("State:\tS (sleeping)\nTracerPid:\t0\n")]
    [InlineData("State:\tt (tracing stop)\nTracerPid:\t56\n")]
    [InlineData("State:\tR (running)\nTracerPid:\t55\n")]
    public void EnsureFrozen_OneThreadNotHeld_Throws(string status) =>
        Assert.Throws<TaskThawedException>(() => Task(path => path.EndsWith("/1002/status", StringComparison.Ordinal) ? status : Held).EnsureFrozen());

    [Fact]
    public void EnsureFrozen_ProcessGone_Throws() =>
        Assert.Throws<TaskThawedException>(() => Task(_ => throw new FileNotFoundException()).EnsureFrozen());

    private static FrozenTask Task(Func<string, string> status) =>
        new(1000, 55, [new FrozenProcess(1000, 0, 1000, 1000, [1000]), new FrozenProcess(1001, 1000, 1000, 1000, [1001, 1002])], 0, status);
}
