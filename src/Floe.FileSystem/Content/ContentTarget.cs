using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>The object that a file's content becomes.</summary>
public sealed record ContentTarget(string Bucket, string Key)
{
    /// <summary>Metadata and tags, asked for when an upload begins.</summary>
    public Func<ObjectHeaders> Headers { get; init; } = static () => ObjectHeaders.Empty;

    public override string ToString() => $"s3://{Bucket}/{Key}";
}
