using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>The object that a file's content becomes.</summary>
public sealed record ContentTarget(string Bucket, string Key)
{
    /// <summary>Metadata and tags, asked for when an upload begins.</summary>
    public Func<ObjectHeaders> Headers { get; init; } = static () => ObjectHeaders.Empty;

    /// <summary>Given the metadata that an object got when its upload began, and its size in bytes: what it is to have by now; null: those will do.</summary>
    public Func<IReadOnlyDictionary<string, string>, long, NewHeaders?> Renew { get; init; } = static (_, _) => null;

    public override string ToString() => $"s3://{Bucket}/{Key}";
}

/// <param name="Written">To be called when an object has them.</param>
public sealed record NewHeaders(ObjectHeaders Headers, Action Written);
