using Amazon.EC2;
using Amazon.Runtime;
using Amazon.SimpleSystemsManagement;
using Floe.S3;

namespace Floe.Aws.Api;

/// <summary>The SDK's clients, made when first needed: most runs need none.</summary>
internal sealed class SdkClients(AwsOptions options, AwsTransport transport) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Keys _keys = new();
    private AmazonEC2Client? _ec2;
    private AmazonSimpleSystemsManagementClient? _ssm;

    /// <param name="region">The same each time.</param>
    /// <param name="keys">Sign this request, and all others that are under way: the newest are good for them too.</param>
    public AmazonEC2Client Ec2(string region, AccessKeys keys)
    {
        lock (_lock)
        {
            _keys.Newest = keys;
            return _ec2 ??= new AmazonEC2Client(_keys, Configure(new AmazonEC2Config(), AwsService.Ec2, region));
        }
    }

    /// <inheritdoc cref="Ec2"/>
    public AmazonSimpleSystemsManagementClient Ssm(string region, AccessKeys keys)
    {
        lock (_lock)
        {
            _keys.Newest = keys;
            return _ssm ??= new AmazonSimpleSystemsManagementClient(_keys, Configure(new AmazonSimpleSystemsManagementConfig(), AwsService.Ssm, region));
        }
    }

    public void Dispose()
    {
        _ec2?.Dispose();
        _ssm?.Dispose();
    }

    /// <summary>One try, over our connections, to the endpoint that goes for all services: tries and time are counted in <see cref="AwsClient"/>.</summary>
    private TConfig Configure<TConfig>(TConfig config, AwsService service, string region) where TConfig : ClientConfig
    {
        config.ServiceURL = options.Endpoint(service, region).ToString();
        config.AuthenticationRegion = region;
        config.UseFIPSEndpoint = false;
        config.UseDualstackEndpoint = false;
        config.RetryMode = RequestRetryMode.Standard;
        config.MaxErrorRetry = 0;
        config.HttpClientFactory = transport;
        return config;
    }

    private sealed class Keys : AWSCredentials
    {
        private volatile AccessKeys? _newest;

        public AccessKeys Newest
        {
            set => _newest = value;
        }

        public override ImmutableCredentials GetCredentials() =>
            _newest is { } keys ? new ImmutableCredentials(keys.AccessKeyId, keys.SecretAccessKey, keys.SessionToken) : throw new InvalidOperationException("no keys yet");
    }
}
