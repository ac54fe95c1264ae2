using Floe.Aws;
using Xunit;

namespace Floe.Tests.Aws;

public sealed class ImdsOptionsTests
{
    private static ImdsOptions From(params (string Name, string Value)[] variables) =>
        ImdsOptions.FromEnvironment(name => variables.FirstOrDefault(variable => variable.Name == name).Value);

    [Fact]
    public void FromEnvironment_NothingSet_IsTheLinkLocalAddress()
    {
        Assert.Equal("http://169.254.169.254/", From().Endpoint.AbsoluteUri);
        Assert.False(From().Disabled);
    }

    [Fact]
    public void FromEnvironment_BothOverrides_FloesOwnWins()
    {
        var options = From(("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.0.0.1"), ("FLOE_IMDS_ENDPOINT", "http://127.0.0.1:1338/base"));

        Assert.Equal("http://127.0.0.1:1338/base/", options.Endpoint.AbsoluteUri);
    }

    [Fact]
    public void FromEnvironment_AwsOverride_IsTaken() =>
        Assert.Equal("http://10.0.0.1/", From(("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.0.0.1")).Endpoint.AbsoluteUri);

    [Fact]
    public void FromEnvironment_IPv6Mode_IsTheIPv6Address() =>
        Assert.Equal("[fd00:ec2::254]", From(("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6")).Endpoint.Host);

    [Theory]
    [InlineData("true", true)]
    [InlineData("TRUE", true)]
    [InlineData("false", false)]
    [InlineData("1", false)]
    public void FromEnvironment_Disabled_OnlyTheWordTrueCounts(string value, bool disabled) =>
        Assert.Equal(disabled, From(("AWS_EC2_METADATA_DISABLED", value)).Disabled);

    [Theory]
    [InlineData("169.254.169.254")]
    [InlineData("ftp://host")]
    [InlineData("http://user:secret@host")]
    [InlineData("http://host/?x=1")]
    [InlineData("nonsense")]
    public void FromEnvironment_NoUrl_NamesTheVariable(string value)
    {
        var e = Assert.Throws<ImdsException>(() => From(("FLOE_IMDS_ENDPOINT", value)));

        Assert.Equal(ImdsErrorKind.BadEndpoint, e.Kind);
        Assert.Contains("FLOE_IMDS_ENDPOINT", e.Message, StringComparison.Ordinal);
    }
}
