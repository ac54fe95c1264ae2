namespace Floe.S3;

public enum ServerSideEncryption
{
    /// <summary>What the bucket does by default.</summary>
    BucketDefault,
    /// <summary>Keys held by S3 (header value AES256).</summary>
    S3,
    /// <summary>A key in KMS (header value aws:kms).</summary>
    Kms,
}

/// <summary>How to reach a store. Credentials are not here: they come from the AWS chain when first needed.</summary>
public sealed record ObjectStoreOptions
{
    /// <summary>An S3-compatible service; null is AWS in <see cref="Region"/>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>Null: us-east-1 with an endpoint; on AWS asked of the chain (profile, IMDS).</summary>
    public string? Region { get; init; }

    /// <summary>Bucket in the path instead of the host name; null: with a custom endpoint, or where the bucket is no DNS label.</summary>
    public bool? PathStyle { get; init; }

    public ServerSideEncryption Encryption { get; init; }

    /// <summary>Null: the account's default S3 key. Only with <see cref="ServerSideEncryption.Kms"/>.</summary>
    public string? KmsKeyId { get; init; }

    /// <summary>
    /// Transfers at the same time; small calls have connections of their own. One connection to S3 carries about 90 MB/s, and EC2 gives more of the link to who
    /// has more processors: 4 for each, 16 to 128.
    /// </summary>
    public int MaxConnections { get; init; } = Math.Clamp(4 * Environment.ProcessorCount, 16, 128);

    /// <summary>Tries of one request in all, the first included.</summary>
    public int MaxAttempts { get; init; } = 12;

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>An attempt that moves no byte for this long is given up; how long one takes in all is not limited.</summary>
    public TimeSpan NoProgressTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The longest pause between two tries; the first is about 100 ms and they double.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What every request that makes an object carries: PUT, copy and CreateMultipartUpload; not parts, which are encrypted as their upload says.</summary>
    internal IEnumerable<(string Name, string Value)> EncryptionHeaders()
    {
        if (Encryption != ServerSideEncryption.BucketDefault)
        {
            yield return ("x-amz-server-side-encryption", Encryption == ServerSideEncryption.Kms ? "aws:kms" : "AES256");
        }

        if (KmsKeyId is { } keyId)
        {
            yield return ("x-amz-server-side-encryption-aws-kms-key-id", keyId);
        }
    }

    /// <summary>
    /// Reads the environment; the first variable set of each line wins:
    /// <code>
    /// endpoint     FLOE_S3_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_S3_ENDPOINT, AWS_ENDPOINT_URL
    /// region       FLOE_S3_REGION, FUSION_AWS_REGION, AWS_REGION, AWS_DEFAULT_REGION
    /// path style   FLOE_S3_PATH_STYLE             true or false
    /// encryption   FLOE_S3_SSE, FUSION_AWS_SERVER_SIDE_ENCRYPTION       AES256 or aws:kms
    /// KMS key      FLOE_S3_SSE_KMS_KEY_ID, FUSION_AWS_SSEKMS_KEY_ID     implies aws:kms
    /// connections  FLOE_S3_CONNECTIONS            1 to 256
    /// tries        FLOE_S3_MAX_ATTEMPTS           1 to 100
    /// time-out     FLOE_S3_NO_PROGRESS_SECONDS    1 to 3600
    /// </code>
    /// Null and a one-line reason for a value that makes no sense.
    /// </summary>
    public static ObjectStoreOptions? TryFromEnvironment(Func<string, string?> variable, out string? error)
    {
        var reader = new EnvironmentReader(variable);
        var defaults = new ObjectStoreOptions();
        var kmsKey = reader.Text("FLOE_S3_SSE_KMS_KEY_ID", "FUSION_AWS_SSEKMS_KEY_ID");
        var options = defaults with
        {
            Endpoint = reader.HttpUrl("FLOE_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL"),
            Region = reader.Text("FLOE_S3_REGION", "FUSION_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
            PathStyle = reader.Choice(["FLOE_S3_PATH_STYLE"], ("true", (bool?)true), ("false", false), ("1", true), ("0", false)),
            Encryption = reader.Choice(
                ["FLOE_S3_SSE", "FUSION_AWS_SERVER_SIDE_ENCRYPTION"],
                ("AES256", (ServerSideEncryption?)ServerSideEncryption.S3),
                ("aws:kms", ServerSideEncryption.Kms)) ?? (kmsKey is null ? ServerSideEncryption.BucketDefault : ServerSideEncryption.Kms),
            KmsKeyId = kmsKey,
            MaxConnections = reader.Number("FLOE_S3_CONNECTIONS", 1, 256) ?? defaults.MaxConnections,
            MaxAttempts = reader.Number("FLOE_S3_MAX_ATTEMPTS", 1, 100) ?? defaults.MaxAttempts,
            NoProgressTimeout = reader.Number("FLOE_S3_NO_PROGRESS_SECONDS", 1, 3600) is { } seconds
                ? TimeSpan.FromSeconds(seconds) : defaults.NoProgressTimeout,
        };
        if (kmsKey is not null && options.Encryption != ServerSideEncryption.Kms)
        {
            reader.Fail("FLOE_S3_SSE_KMS_KEY_ID is set, but FLOE_S3_SSE is not aws:kms; unset one of them");
        }

        error = reader.Error;
        return error is null ? options : null;
    }
}
