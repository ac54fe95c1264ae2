using Floe.Agent.Namespaces;
using Xunit;

namespace Floe.Tests.Agent;

public sealed class PidNamespaceHostTests
{
    [Theory]
    [InlineData("000001ffffffffff", "000001ffffffffff", null)]
    [InlineData("0000000000000000", "000001ffffffffff", "run this as root")]
    [InlineData("00000000a80425fb", "00000000a80425fb", "give it to the container")]
    public void WhyNot_ByCapabilities_NamesWhatIsMissing(string effective, string bounding, string? expected)
    {
        var reason = PidNamespaceHost.WhyNot($"Uid:\t1000\t1000\t1000\t1000\nCapEff:\t{effective}\nCapBnd:\t{bounding}\n");
        if (expected is null)
        {
            Assert.Null(reason);
            return;
        }

        Assert.StartsWith("CAP_SYS_ADMIN is missing", reason, StringComparison.Ordinal);
        Assert.Contains(expected, reason, StringComparison.Ordinal);
    }

    [Fact]
    public void WhyNot_NoProc_IsLeftToTheKernel() => Assert.Null(PidNamespaceHost.WhyNot(""));
}
