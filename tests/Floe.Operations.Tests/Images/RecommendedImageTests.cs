using Floe.Aws.Api;
using Floe.Operations.Images;
using Floe.Operations.Tests.Aws;
using Xunit;

namespace Floe.Operations.Tests.Images;

public sealed class RecommendedImageTests
{
    private const string Documented =
        """{"ecs_agent_version":"1.89.1","ecs_runtime_version":"Docker version 25.0.6","image_id":"ami-0123456789abcdef0","image_name":"al2023-ami-ecs-hvm-2023.0.20241115-kernel-6.1-x86_64","image_version":"2023.0.20241115","os":"Amazon Linux 2023","schema_version":1,"source_image_name":"al2023-ami-minimal-2023.6.20241111.0-kernel-6.1-x86_64"}""";

    [Fact]
    public async Task ReadAsync_DocumentedValue_IsParsed()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => Parameter(Documented));
        using var client = aws.Client();
        var image = await RecommendedImage.ReadAsync(client, "x86_64", default);
        Assert.Equal(("ami-0123456789abcdef0", "6.1", "1.89.1", "Amazon Linux 2023", new DateOnly(2024, 11, 15)), (image.Id, image.Kernel, image.EcsAgent, image.Os, image.Date));
        Assert.Equal("al2023-ami-minimal-2023.6.20241111.0-kernel-6.1-x86_64", image.SourceImage);
        Assert.Contains("/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended", Assert.Single(aws.Asked).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_Arm64_AsksForItsOwn()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => Parameter(Documented));
        using var client = aws.Client();
        await RecommendedImage.ReadAsync(client, "arm64", default);
        Assert.Contains("amazon-linux-2023/arm64/recommended", aws.Asked[0].Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{'image_id': 'ami-0123456789abcdef0'}")]
    [InlineData("{\"image_id\":7}")]
    [InlineData("{\"image_id\":\"ami-x; rm -rf /\"}")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task ReadAsync_ValueIsNotTheDocumentedJson_TakesTheParts(string value)
    {
        await using var aws = await AwsDouble.StartAsync((asked, _) =>
            asked.Body.Contains("recommended/image_id", StringComparison.Ordinal) ? Parameter("ami-0fedcba9876543210")
            : asked.Body.Contains("recommended/image_name", StringComparison.Ordinal) ? Parameter("al2023-ami-ecs-hvm-2023.0.20251201-kernel-6.12-x86_64")
            : asked.Body.Contains("recommended/", StringComparison.Ordinal) ? Missing
            : Parameter(value));
        using var client = aws.Client();
        var image = await RecommendedImage.ReadAsync(client, "x86_64", default);
        Assert.Equal(("ami-0fedcba9876543210", "6.12", new DateOnly(2025, 12, 1), null), (image.Id, image.Kernel, image.Date, image.EcsAgent));
    }

    [Fact]
    public async Task ReadAsync_NoSuchParameter_SaysThatTheRegionHasNone()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => Missing);
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => RecommendedImage.ReadAsync(client, "x86_64", default));
        Assert.Equal(AwsErrorKind.NotFound, e.Kind);
        Assert.Contains("is 'eu-central-1' a region with ECS?", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_Denied_NamesThePermission()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(400, """{"__type":"AccessDeniedException","Message":"User is not authorized to perform: ssm:GetParameter"}"""));
        using var client = aws.Client();
        var e = await Assert.ThrowsAsync<AwsException>(() => RecommendedImage.ReadAsync(client, "x86_64", default));
        Assert.Equal(AwsErrorKind.Denied, e.Kind);
        Assert.Contains("these credentials may not do ssm:GetParameter", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_ThrottledThenGarbled_TriesAgain()
    {
        await using var aws = await AwsDouble.StartAsync((_, n) => n switch { 1 => new(400, """{"__type":"ThrottlingException"}"""), 2 => new(200, "<html>"), _ => Parameter(Documented) });
        using var client = aws.Client();
        Assert.Equal("ami-0123456789abcdef0", (await RecommendedImage.ReadAsync(client, "x86_64", default)).Id);
        Assert.Equal(3, aws.Asked.Count);
    }

    private static AwsSaid Missing => new(400, """{"__type":"ParameterNotFound"}""");

    private static AwsSaid Parameter(string value) => new(200, new System.Text.Json.Nodes.JsonObject { ["Parameter"] = new System.Text.Json.Nodes.JsonObject { ["Value"] = value } }.ToJsonString());
}
