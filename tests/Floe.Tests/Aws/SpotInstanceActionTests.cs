using CsCheck;
using Floe.Aws;
using Xunit;

namespace Floe.Tests.Aws;

public sealed class SpotInstanceActionTests
{
    [Theory]
    [InlineData("""{"action":"terminate","time":"2030-01-01T12:02:00Z"}""", "terminate", "2030-01-01T12:02:00Z")]
    [InlineData("""{"time":"2030-01-01T12:02:00","action":"stop","more":[1]}""", "stop", "2030-01-01T12:02:00Z")]
    [InlineData("""{"action":"hibernate","time":"2030-01-01T13:02:00+01:00"}""", "hibernate", "2030-01-01T12:02:00Z")]
    public void TryParse_Notice_GivesActionAndUtcTime(string text, string action, string time)
    {
        var parsed = SpotInstanceAction.TryParse(text, null);

        Assert.NotNull(parsed);
        Assert.Equal(action, parsed.Action);
        Assert.Equal(DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture), parsed.Time);
    }

    [Theory]
    [InlineData("""{"action":"terminate"}""")]
    [InlineData("""{"action":"terminate","time":null}""")]
    [InlineData("""{"action":"terminate","time":17}""")]
    [InlineData("""{"action":"terminate","time":"soon"}""")]
    public void TryParse_NoReadableTime_IsStillANotice(string text)
    {
        var parsed = SpotInstanceAction.TryParse(text, null);

        Assert.Equal("terminate", parsed?.Action);
        Assert.Null(parsed?.Time);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"terminate\"")]
    [InlineData("{}")]
    [InlineData("""{"action":7,"time":"2030-01-01T12:02:00Z"}""")]
    [InlineData("""{"action":"","time":"2030-01-01T12:02:00Z"}""")]
    [InlineData("""{"action":"\ud800","time":"2030-01-01T12:02:00Z"}""")]
    [InlineData("<html>404</html>")]
    [InlineData("""{"action":"terminate","time":"2030""")]
    public void TryParse_NoNotice_IsNull(string text) => Assert.Null(SpotInstanceAction.TryParse(text, null));

    [Fact]
    public void TryParse_AnyText_NeverThrows() =>
        Gen.OneOf(Gen.String, Gen.String.Select(s => $"{{\"action\":\"{s}\",\"time\":\"{s}\"}}"))
            .Sample(text => _ = SpotInstanceAction.TryParse(text, null), iter: 2000);
}
