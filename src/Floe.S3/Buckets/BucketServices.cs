using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.S3.Buckets;

/// <summary>The one place where options become a service of buckets.</summary>
public static class BucketServices
{
    /// <summary>Opens the service without touching the network.</summary>
    /// <param name="credentials">Null: the AWS chain, which is first asked when the first request is made.</param>
    public static IBucketService Open(
        ObjectStoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null, ICredentialSource? credentials = null) =>
        new S3BucketService(
            options, credentials ?? new AwsCredentialChain(), timeProvider ?? TimeProvider.System,
            (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Floe.S3"));
}
