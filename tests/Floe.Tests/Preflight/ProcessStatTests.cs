using Floe.Agent.Preflight;
using Xunit;

namespace Floe.Tests.Preflight;

public sealed class ProcessStatTests
{
    [Fact]
    public void TryParse_NameWithParenthesesAndBlanks_IsRead() =>
        Assert.Equal(new ProcessStat("a) R 1 (b", 'S', 7, 9, 34816), ProcessStat.TryParse("12 (a) R 1 (b) S 7 8 9 34816 -1 0"));

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData(")(")]
    [InlineData("12 (a) S 7")]
    [InlineData("12 (a) S x 8 9 0")]
    public void TryParse_Garbage_IsNull(string text) => Assert.Null(ProcessStat.TryParse(text));
}
