using Floe.S3;
using Xunit;

namespace Floe.Tests.S3;

public sealed class ObjectStoreOptionsTests
{
    [Fact]
    public void TryFromEnvironment_Nothing_IsTheDefault()
    {
        Assert.Equal(new ObjectStoreOptions(), ObjectStoreOptions.TryFromEnvironment(_ => null, out var error));
        Assert.Null(error);
    }

    [Fact]
    public void TryFromEnvironment_Everything_IsTakenInItsOrder()
    {
        var options = Read(
            ("AWS_ENDPOINT_URL", "http://last"), ("AWS_S3_ENDPOINT", "http://third"), ("AWS_ENDPOINT_URL_S3", "https://second:9000"),
            ("AWS_DEFAULT_REGION", "eu-central-1"), ("AWS_REGION", "eu-west-1"), ("FLOE_S3_PATH_STYLE", "false"),
            ("FLOE_S3_SSE_KMS_KEY_ID", "alias/k"), ("FLOE_S3_CONNECTIONS", "64"), ("FLOE_S3_MAX_ATTEMPTS", "3"), ("FLOE_S3_NO_PROGRESS_SECONDS", "7"));
        Assert.Equal(
            new ObjectStoreOptions
            {
                Endpoint = new Uri("https://second:9000"),
                Region = "eu-west-1",
                PathStyle = false,
                Encryption = ServerSideEncryption.Kms,
                KmsKeyId = "alias/k",
                MaxConnections = 64,
                MaxAttempts = 3,
                NoProgressTimeout = TimeSpan.FromSeconds(7),
            },
            options);
    }

    [Theory]
    [InlineData("FLOE_S3_ENDPOINT", "minio:9000")]
    [InlineData("FLOE_S3_ENDPOINT", "http://user:secret@minio")]
    [InlineData("FLOE_S3_PATH_STYLE", "perhaps")]
    [InlineData("FLOE_S3_SSE", "rot13")]
    [InlineData("FLOE_S3_CONNECTIONS", "0")]
    [InlineData("FLOE_S3_CONNECTIONS", "many")]
    public void TryFromEnvironment_Nonsense_NamesTheVariable(string name, string value)
    {
        Assert.Null(ObjectStoreOptions.TryFromEnvironment(n => n == name ? value : null, out var error));
        Assert.Contains(name, error!, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error!, StringComparison.Ordinal);
    }

    private static ObjectStoreOptions? Read(params (string Name, string Value)[] variables) =>
        ObjectStoreOptions.TryFromEnvironment(n => variables.FirstOrDefault(v => v.Name == n).Value, out _);
}
