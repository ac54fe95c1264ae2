using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Floe.S3.Buckets;

/// <summary>An S3 service: one client, with its own connections and region, for each bucket that is asked for.</summary>
internal sealed class S3BucketService(ObjectStoreOptions options, ICredentialSource credentials, TimeProvider time, ILogger logger) : IBucketService
{
    private readonly ConcurrentDictionary<string, Lazy<S3BucketClient>> _clients = new(StringComparer.Ordinal);

    public async Task<IReadOnlyList<BucketInfo>> ListBucketsAsync(CancellationToken cancellationToken)
    {
        using var client = new S3Client(StoreUrl.OfBucket(""), options, credentials, time, logger);
        return await client.SendAsync(
            new S3Request(HttpMethod.Get, "", "s3:ListAllMyBuckets"),
            async answer => BucketXml.ReadBuckets(await S3BucketClient.AllAsync(answer).ConfigureAwait(false)),
            cancellationToken).ConfigureAwait(false);
    }

    public IBucketClient Open(string bucket)
    {
        if (StoreUrl.TryParse($"s3://{bucket}", out var error) is not { } url || url.Container != bucket)
        {
            throw new ArgumentException(error ?? $"'{bucket}' is no bucket's name", nameof(bucket));
        }

        return _clients.GetOrAdd(bucket, _ => new Lazy<S3BucketClient>(
            () => new S3BucketClient(url, options, new S3Client(url, options, credentials, time, logger)))).Value;
    }

    public ValueTask DisposeAsync()
    {
        foreach (var client in _clients.Values.Where(c => c.IsValueCreated))
        {
            client.Value.Dispose();
        }

        return ValueTask.CompletedTask;
    }
}
