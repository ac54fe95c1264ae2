using Floe.S3;
using Xunit;

namespace Floe.Tests;

public sealed class StoreUrlTests
{
    [Theory]
    [InlineData("s3://bucket", "s3://bucket")]
    [InlineData("s3://bucket/a/b/", "s3://bucket/a/b")]
    [InlineData("/var/lib/floe", "file:///var/lib/floe")]
    [InlineData("file:///tmp/x/../y", "file:///tmp/y")]
    public void TryParse_ValidText_RoundTrips(string text, string expected)
    {
        Assert.Equal(expected, StoreUrl.TryParse(text, out _)?.ToString());
    }

    [Theory]
    [InlineData("bucket/prefix")]
    [InlineData("s3://")]
    [InlineData("s3://Bucket/x")]
    [InlineData("s3://bucket/../x")]
    [InlineData("s3://bucket/a//b")]
    public void TryParse_InvalidText_SaysWhy(string text)
    {
        Assert.Null(StoreUrl.TryParse(text, out var error));
        Assert.Contains("s3://", error + "s3://", StringComparison.Ordinal);
        Assert.NotEmpty(error!);
    }
}
