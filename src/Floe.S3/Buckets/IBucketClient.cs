using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Buckets;

/// <summary>An S3 service as a whole: its buckets, one client each, sharing options and credentials. Safe for concurrent use.</summary>
public interface IBucketService : IAsyncDisposable
{
    /// <summary>Buckets of the account, in name order. Credentials that may not list are an AccessDenied exception.</summary>
    Task<IReadOnlyList<BucketInfo>> ListBucketsAsync(CancellationToken cancellationToken);

    /// <summary>The client of a bucket, whether or not there is one by that name; always the same for the same name. Owned by the service.</summary>
    /// <exception cref="ArgumentException">The text can be no bucket's name.</exception>
    IBucketClient Open(string bucket);
}

/// <summary>
/// The S3 calls that a file system needs, on one bucket. Keys are whole keys of the bucket and may be anything that S3 takes ("a//b", "dir/").
/// Transient faults are retried below this seam; what is left is an <see cref="ObjectStoreException"/>, expected absence a null.
/// </summary>
public interface IBucketClient
{
    string Bucket { get; }

    /// <summary>Transfers that may usefully run at the same time.</summary>
    int MaxConnections { get; }

    /// <summary>HEAD of the bucket. False: there is none. One that may not be seen is an AccessDenied exception.</summary>
    Task<bool> ExistsAsync(CancellationToken cancellationToken);

    Task<BucketObject?> HeadAsync(string key, CancellationToken cancellationToken);

    /// <summary>
    /// Fills <paramref name="destination"/> from <paramref name="offset"/> of one version of the object (If-Match), going on where an attempt broke off.
    /// <paramref name="filled"/>, if any, is told of every piece as it arrives, on the reading thread: bytes since the last call. A version that is no
    /// longer there is PreconditionFailed (or NotFound).
    /// </summary>
    Task ReadRangeAsync(ObjectVersion version, long offset, Memory<byte> destination, Action<int>? filled, CancellationToken cancellationToken);

    /// <summary>
    /// Reads a range of one version in pieces without holding it: <paramref name="take"/> gets each piece (borrowed until it returns) with its offset
    /// in the object, in order and each byte once; all
    /// but the last are of 256 KiB.
    /// </summary>
    Task ReadRangeAsync(
        ObjectVersion version, long offset, long count, Func<long, ReadOnlyMemory<byte>, ValueTask> take, CancellationToken cancellationToken);

    /// <summary>A small object's bytes (at most <paramref name="maxBytes"/>, else TooLarge); null when there is none.</summary>
    Task<SmallObject?> GetAsync(string key, int maxBytes, CancellationToken cancellationToken);

    /// <summary>One page of ListObjectsV2: without keys only where none are left. Pages that a service leaves empty are passed over.</summary>
    /// <param name="delimiter">"/" to fold keys behind the next slash into <see cref="BucketPage.Prefixes"/>; null for all keys.</param>
    /// <param name="token">Of the page before; null for the first.</param>
    Task<BucketPage> ListAsync(
        string prefix, string? delimiter, string? token, int maxEntries, CancellationToken cancellationToken, string? startAfter = null);

    /// <summary>Writes a whole object; durable when it returns. An own write whose answer was lost is recognised (<see cref="ObjectHeaders.WriteId"/>).</summary>
    Task<ETag> PutAsync(string key, ReadOnlyMemory<byte> content, ObjectHeaders headers, PutCondition condition, CancellationToken cancellationToken);

    /// <summary>Copies on the server, up to 5 GiB.</summary>
    /// <param name="headers">Null: metadata and tags are those of the source.</param>
    Task<ETag> CopyAsync(
        ObjectVersion source, string key, ObjectHeaders? headers, PutCondition condition, CancellationToken cancellationToken);

    Task<UploadTicket> CreateUploadAsync(string key, ObjectHeaders headers, CancellationToken cancellationToken);

    /// <summary>Sends a part from memory (borrowed).</summary>
    Task<UploadedPart> UploadPartAsync(UploadTicket upload, int number, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Sends a part from a file, in pieces. The range must not change meanwhile: a change is found by its checksum and is a Corrupt exception.</summary>
    /// <param name="stop">Ends it while not all is sent: then, and only then, an OperationCanceledException of this token, and the bucket never gets the part.</param>
    /// <param name="knownChecksum">The range's <see cref="Crc32C"/>, which spares reading it twice; null: it is not known.</param>
    Task<UploadedPart> UploadPartAsync(
        UploadTicket upload, int number, SafeFileHandle file, long offset, long count, uint? knownChecksum, CancellationToken stop, CancellationToken cancellationToken);

    /// <summary>Copies a range of an object into a part on the server: at most 5 GiB, of an object of more than 5 MiB.</summary>
    Task<UploadedPart> CopyPartAsync(
        UploadTicket upload, int number, ObjectVersion source, long offset, long count, CancellationToken cancellationToken);

    /// <summary>Makes the object. A failed condition is PreconditionFailed; an own completion whose answer was lost is recognised.</summary>
    Task<ETag> CompleteUploadAsync(
        UploadTicket upload, IReadOnlyList<UploadedPart> parts, PutCondition condition, CancellationToken cancellationToken);

    /// <summary>An upload that is gone counts as aborted.</summary>
    Task AbortUploadAsync(string key, string uploadId, CancellationToken cancellationToken);

    /// <summary>Unfinished uploads of keys with this prefix.</summary>
    IAsyncEnumerable<BucketUpload> ListUploadsAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Parts that the service has; null when the upload is gone.</summary>
    Task<IReadOnlyList<UploadedPart>?> ListPartsAsync(string key, string uploadId, CancellationToken cancellationToken);

    /// <summary>Keys that are not there count as deleted.</summary>
    Task DeleteAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken);

    Task<IReadOnlyList<KeyValuePair<string, string>>> GetTagsAsync(string key, CancellationToken cancellationToken);

    Task PutTagsAsync(string key, IReadOnlyList<KeyValuePair<string, string>> tags, CancellationToken cancellationToken);
}
