using Floe.Cli.Console;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class SizesTests
{
    [Theory]
    [InlineData("1", 1L)]
    [InlineData("4096B", 4096L)]
    [InlineData("500M", 500L << 20)]
    [InlineData("500MB", 500L << 20)]
    [InlineData("20GiB", 20L << 30)]
    [InlineData("20 gib", 20L << 30)]
    [InlineData("20Gi", 20L << 30)]
    [InlineData("1.5T", 3L << 39)]
    [InlineData("1024P", 1L << 60)]
    public void TryParse_Size_IsInPowersOf1024(string text, long bytes) => Assert.Equal(bytes, Sizes.TryParse(text, 1));

    [Fact]
    public void TryParse_NumberAlone_IsInTheGivenUnit() => Assert.Equal(64L << 30, Sizes.TryParse("64", 1L << 30));

    [Theory]
    [InlineData("")]
    [InlineData("G")]
    [InlineData("much")]
    [InlineData("0")]
    [InlineData("-1G")]
    [InlineData("+1G")]
    [InlineData("1e3")]
    [InlineData("1GG")]
    [InlineData("1iB")]
    [InlineData("1BG")]
    [InlineData("1X")]
    [InlineData("1,5G")]
    [InlineData("1025P")]
    [InlineData("99999999999999999999P")]
    [InlineData("999999999999999999999999999999999999999")]
    public void TryParse_NoSize_IsNull(string text) => Assert.Null(Sizes.TryParse(text, 1));
}
