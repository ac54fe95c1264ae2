using System.Text;
using Floe.Agent.Cpu;
using Xunit;

namespace Floe.Tests.Cpu;

public sealed class TaskEnvironmentTests
{
    private static string[] Text(IReadOnlyList<byte[]> entries) => [.. entries.Select(Encoding.UTF8.GetString)];

    [Fact]
    public void Compose_NoBaseline_KeepsTheBytesAndSwitchesIoUringOff()
    {
        byte[] odd = [.. "X="u8, 0xff, 0xfe];

        var result = TaskEnvironment.Compose(["A=1"u8.ToArray(), odd, "noequals"u8.ToArray()], null);

        Assert.Equal(4, result.Count);
        Assert.Equal(odd, result[1]);
        Assert.Equal("UV_USE_IO_URING=0", Text(result)[3]);
    }

    [Fact]
    public void Compose_UserAskedForIoUring_IsKept() =>
        Assert.Equal(["UV_USE_IO_URING=1"], Text(TaskEnvironment.Compose(["UV_USE_IO_URING=1"u8.ToArray()], null)));

    [Fact]
    public void Compose_Baseline_ReplacesInsteadOfDoubling()
    {
        var result = Text(TaskEnvironment.Compose(
            ["JAVA_TOOL_OPTIONS=-Xmx1g"u8.ToArray(), "JAVA_TOOL_OPTIONS=-Xmx2g"u8.ToArray(), "MKL_ENABLE_INSTRUCTIONS=SSE4_2"u8.ToArray()], CpuBaseline.X86V3));

        Assert.StartsWith("JAVA_TOOL_OPTIONS=-Xmx1g -XX:UseAVX=2", Assert.Single(result, entry => entry.StartsWith("JAVA_TOOL_OPTIONS=", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Equal("MKL_ENABLE_INSTRUCTIONS=SSE4_2", Assert.Single(result, entry => entry.StartsWith("MKL_", StringComparison.Ordinal)));
    }
}
