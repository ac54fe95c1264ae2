using System.Security.Cryptography;

namespace Floe.S3.Buckets;

/// <summary>A bucket that the credentials may list.</summary>
public sealed record BucketInfo(string Name, DateTimeOffset Created);

/// <summary>An object as HEAD tells it. <paramref name="Metadata"/>: x-amz-meta- headers, names in lower case without that prefix.</summary>
public sealed record BucketObject(
    string Key, long Size, ETag ETag, DateTimeOffset LastModified, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>See <see cref="ObjectHeaders.Standard"/>.</summary>
    public IReadOnlyDictionary<string, string> Standard { get; init; } = new Dictionary<string, string>();

    /// <summary>The <see cref="ObjectHeaders.WriteId"/> of the call that made it; null: it was not made by Floe.</summary>
    public string? WriteId => Metadata.GetValueOrDefault(ObjectHeaders.WriteIdName);
}

/// <summary>An object as a listing tells it.</summary>
public sealed record ListedObject(string Key, long Size, ETag ETag, DateTimeOffset LastModified);

/// <summary>One page of a listing, in UTF-8 byte order. <paramref name="NextToken"/>: null on the last page.</summary>
public sealed record BucketPage(IReadOnlyList<ListedObject> Objects, IReadOnlyList<string> Prefixes, string? NextToken)
{
    /// <summary>The service's clock when it answered (Date), which LastModified is of too; null where it does not tell.</summary>
    public DateTimeOffset? ServerTime { get; init; }
}

/// <summary>What is written beside the bytes.</summary>
public sealed record ObjectHeaders
{
    internal const string WriteIdName = "floe-write-id";

    internal static readonly string[] StandardNames =
        ["Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires", "x-amz-website-redirect-location"];

    public static ObjectHeaders Empty { get; } = new();

    /// <summary>
    /// Goes with the object, so that a write is known again when its answer is lost. Null: the call takes a new one, and knows only its own tries again.
    /// </summary>
    public string? WriteId { get; init; }

    /// <summary>User metadata, names without "x-amz-meta-". Values outside printable ASCII are refused.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>What the service keeps with an object and gives to browsers: those of <see cref="StandardNames"/> that it has.</summary>
    public IReadOnlyDictionary<string, string> Standard { get; init; } = new Dictionary<string, string>();

    /// <summary>At most 10 on S3.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Tags { get; init; } = [];

    /// <summary>For a copy on the server: its tags are the source's, whatever <see cref="Tags"/> says.</summary>
    public bool KeepsTags { get; init; }

    public static string NewWriteId() => RandomNumberGenerator.GetHexString(32, lowercase: true);
}

/// <summary>One version of one object; <paramref name="Size"/> in bytes.</summary>
public sealed record ObjectVersion(string Bucket, string Key, ETag ETag, long Size);

/// <summary>A part of an unfinished multipart upload. <paramref name="Number"/> from 1; no checksum where the service gave none for a copied part.</summary>
public sealed record UploadedPart(int Number, ETag ETag, long Size, string? ChecksumCrc32C = null);

/// <summary>An unfinished multipart upload.</summary>
public sealed record BucketUpload(string Key, string UploadId, DateTimeOffset Initiated);

/// <summary>A multipart upload that was begun: <paramref name="WriteId"/> is in the metadata of the object that it will make.</summary>
public sealed record UploadTicket(string Key, string UploadId, string WriteId);
