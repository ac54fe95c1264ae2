namespace Floe.Aws.Api;

/// <summary>What of S3 is asked about buckets, not objects.</summary>
public sealed class S3Api(AwsClient client)
{
    /// <summary>The region of a bucket, which S3 tells anybody, also of a bucket that one may not read; null when there is no such bucket.</summary>
    public async Task<string?> BucketRegionAsync(string bucket, CancellationToken cancellationToken)
    {
        var region = await client.HeadAsync(AwsService.S3, "/" + bucket, "x-amz-bucket-region", cancellationToken).ConfigureAwait(false);
        return region is not null && AwsOptions.IsRegion(region) ? region : null;
    }
}
