using System.Text;
using Floe.Aws.Api;
using Floe.Operations.Forge;
using Floe.S3;
using Floe.Testing.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Aws;

/// <summary>One moto for all tests that need a whole AWS; each takes names of its own in it.</summary>
public sealed class MotoFixture : IAsyncLifetime
{
    private MotoServer? _moto;

    public Uri Endpoint => _moto!.Endpoint;

    /// <summary>moto wants a role for AWS Batch; the real one makes its own.</summary>
    public const string ServiceRole = "arn:aws:iam::123456789012:role/batch-service";

    public const string OwnBucket = "floe-eu";

    public IReadOnlyList<(string, string)> Variables => AwsDouble.Environment(Endpoint);

    public async ValueTask InitializeAsync()
    {
        _moto = await MotoServer.StartAsync();
        using var http = new HttpClient { BaseAddress = Endpoint };
        using var config = new StringContent("""{"batch":{"use_docker":false}}""");
        (await http.PostAsync(new Uri("/moto-api/config", UriKind.Relative), config)).EnsureSuccessStatusCode();
        using var client = Client();
        await new IamApi(client).CreateRoleAsync("batch-service", "{}", "", new Dictionary<string, string>(), default);

        // S3 is not one of the client's: the request is made by hand, and moto asks only that somebody signed.
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/{OwnBucket}")
        {
            Content = new StringContent("<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>", Encoding.UTF8),
        };
        request.Headers.TryAddWithoutValidation("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0");
        (await http.SendAsync(request)).EnsureSuccessStatusCode();
    }

    public AwsClient Client() => new(
        new AwsOptions { Region = "eu-central-1", Endpoints = new Dictionary<string, Uri> { [""] = Endpoint } }, TimeProvider.System, NullLogger.Instance,
        new FixedCredentials(new AccessKeys("test", "testtest")));

    /// <summary>An environment in moto's default network.</summary>
    internal async Task<ForgeSpec> SpecAsync(AwsClient client, string name)
    {
        var ec2 = new Ec2Api(client);
        var subnets = await ec2.DefaultSubnetsAsync(default);
        return new ForgeSpec
        {
            Name = name, Region = "eu-central-1", Partition = "aws", Buckets = [OwnBucket], WorkTypes = ["c6id.8xlarge"], HeadTypes = ["m6i.large"], WorkCpus = 256, HeadCpus = 16,
            Subnets = [.. subnets.Select(s => s.Id).Order(StringComparer.Ordinal)], SecurityGroups = [(await ec2.DefaultSecurityGroupAsync(subnets[0].VpcId, default))!], ServiceRole = ServiceRole,
        };
    }

    /// <summary>A place in the bucket.</summary>
    public IObjectStore Open(string prefix) => _moto!.Open(prefix, bucket: OwnBucket);

    public async ValueTask DisposeAsync()
    {
        if (_moto is not null)
        {
            await _moto.DisposeAsync();
        }
    }
}

[CollectionDefinition(nameof(Moto))]
public sealed class Moto : ICollectionFixture<MotoFixture>;
