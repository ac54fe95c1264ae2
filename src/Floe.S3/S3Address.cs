namespace Floe.S3;

/// <summary>
/// Where a bucket's requests go. The region may turn out to be another one than configured; everything derived from it is made anew then.
/// </summary>
internal sealed record S3Address(string Scheme, string Authority, string BasePath, string Region)
{
    /// <param name="bucket">Empty for the service itself.</param>
    /// <param name="options">Path style and endpoint are taken from here.</param>
    public static S3Address For(string bucket, ObjectStoreOptions options, string region)
    {
        // A dot in the bucket would not match the wildcard of S3's certificates; '_' is no host name.
        var isDnsLabel = !bucket.AsSpan().ContainsAny('.', '_');
        if (options.Endpoint is { } endpoint)
        {
            var path = endpoint.AbsolutePath.TrimEnd('/');
            return options.PathStyle ?? true
                ? new S3Address(endpoint.Scheme, endpoint.Authority, BasePathOf(path, bucket), region)
                : new S3Address(endpoint.Scheme, bucket.Length == 0 ? endpoint.Authority : $"{bucket}.{endpoint.Authority}", path, region);
        }

        var suffix = region.StartsWith("cn-", StringComparison.Ordinal) ? "amazonaws.com.cn" : "amazonaws.com";
        return bucket.Length == 0 || (options.PathStyle ?? !isDnsLabel)
            ? new S3Address("https", $"s3.{region}.{suffix}", BasePathOf("", bucket), region)
            : new S3Address("https", $"{bucket}.s3.{region}.{suffix}", "", region);
    }

    private static string BasePathOf(string path, string bucket) => bucket.Length == 0 ? path : $"{path}/{bucket}";

    /// <summary>Encoded path of an object; the bucket itself for an empty key.</summary>
    public string PathOf(string key) => $"{BasePath}/{SigV4.Encode(key, keepSlash: true)}";

    /// <summary>The address exactly as signed: .NET must not normalise it again.</summary>
    public Uri UriOf(string path, string query) => new(
        query.Length == 0 ? $"{Scheme}://{Authority}{path}" : $"{Scheme}://{Authority}{path}?{query}",
        new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
}
