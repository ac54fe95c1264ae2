using System.Globalization;
using System.Net;
using System.Security.Cryptography;

namespace Floe.S3.Buckets;

/// <summary>The calls on objects as a whole; ranges, listings and uploads are in the files beside this one.</summary>
internal sealed partial class S3BucketClient(StoreUrl url, ObjectStoreOptions options, S3Client client) : IBucketClient, IDisposable
{
    private const string MetadataPrefix = "x-amz-meta-";
    private const int MaxListed = 1000;
    private const string GetAction = "s3:GetObject (and s3:ListBucket, to tell absence)";

    // One for all calls: what it finds out about the service it has to find out once.
    private readonly S3Deletion _deletion = new(client, url);

    public string Bucket => url.Container;

    public int MaxConnections => options.MaxConnections;

    public void Dispose() => client.Dispose();

    public async Task<bool> ExistsAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await client.SendAsync(
                new S3Request(HttpMethod.Head, "", "s3:ListBucket"), _ => Task.FromResult(true), cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { Status: HttpStatusCode.NotFound })
        {
            return false;
        }
    }

    public async Task<BucketObject?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            return await client.SendAsync(new S3Request(HttpMethod.Head, Check(key), GetAction), answer =>
            {
                var size = answer.ContentLength ?? throw new S3Fault("the answer has no Content-Length");
                var modified = DateTimeOffset.TryParse(answer.ContentHeader("Last-Modified"), CultureInfo.InvariantCulture, out var time)
                    ? time : DateTimeOffset.UnixEpoch;
                return Task.FromResult(new BucketObject(
                    key, size, S3ObjectStore.Need(answer.ETag), modified, answer.HeadersBelow(MetadataPrefix)) { Standard = StandardOf(answer) });
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (IsAbsent(e))
        {
            return null;
        }
    }

    public async Task<SmallObject?> GetAsync(string key, int maxBytes, CancellationToken cancellationToken)
    {
        try
        {
            var request = new S3Request(HttpMethod.Get, Check(key), GetAction) { Headers = [("x-amz-checksum-mode", "ENABLED")] };
            return await client.SendAsync(request, async answer => new SmallObject(
                await answer.ReadObjectAsync(maxBytes).ConfigureAwait(false)
                    ?? throw Fail(ObjectStoreErrorKind.TooLarge, key, $"it has {answer.ContentLength} bytes, at most {maxBytes} are taken"),
                S3ObjectStore.Need(answer.ETag),
                answer.ServerTime), cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (IsAbsent(e))
        {
            return null;
        }
    }

    public async Task<ETag> PutAsync(
        string key, ReadOnlyMemory<byte> content, ObjectHeaders headers, PutCondition condition, CancellationToken cancellationToken)
    {
        var writeId = headers.WriteId ?? ObjectHeaders.NewWriteId();
        var request = S3Request.With(
            new S3Request(HttpMethod.Put, Check(key), S3ObjectStore.PutAction(condition))
            {
                Headers =
                [
                    ("x-amz-sdk-checksum-algorithm", "CRC32C"),
                    ("x-amz-checksum-crc32c", Crc32C.ToBase64(Crc32C.Compute(content.Span))),
                    .. HeadersOf(headers, writeId),
                    .. S3ObjectStore.ConditionHeaders(condition),
                ],
            },
            content) with
        { Lane = S3Lane.Bulk };
        try
        {
            return await client.SendAsync(request, answer => Task.FromResult(S3ObjectStore.Need(answer.ETag)), cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (condition != PutCondition.None && S3ObjectStore.IsConflict(e))
        {
            return await FindOwnWriteAsync(key, writeId, cancellationToken).ConfigureAwait(false) ?? throw AsConflict(key, condition, e);
        }
    }

    public async Task<ETag> CopyAsync(
        ObjectVersion source, string key, ObjectHeaders? headers, PutCondition condition, CancellationToken cancellationToken)
    {
        var writeId = headers?.WriteId ?? ObjectHeaders.NewWriteId();
        var request = new S3Request(HttpMethod.Put, Check(key), "s3:GetObject on the source and s3:PutObject")
        {
            Headers =
            [
                .. SourceHeaders(source),
                .. headers is null
                    ? options.EncryptionHeaders()
                    : [("x-amz-metadata-directive", "REPLACE"), ("x-amz-tagging-directive", headers.KeepsTags ? "COPY" : "REPLACE"), .. HeadersOf(headers, writeId)],
                .. S3ObjectStore.ConditionHeaders(condition),
            ],
            Body = ReadOnlyMemory<byte>.Empty,
            Lane = S3Lane.Bulk,
        };
        try
        {
            return await client.SendAsync(request, CopyETagAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (headers is not null && condition != PutCondition.None && S3ObjectStore.IsConflict(e))
        {
            return await FindOwnWriteAsync(key, writeId, cancellationToken).ConfigureAwait(false) ?? throw AsConflict(key, condition, e);
        }
    }

    public async Task DeleteAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken) =>
        await _deletion.DeleteAsync([.. keys.Select(Check)], cancellationToken).ConfigureAwait(false);

    public Task<IReadOnlyList<KeyValuePair<string, string>>> GetTagsAsync(string key, CancellationToken cancellationToken) => client.SendAsync(
        new S3Request(HttpMethod.Get, Check(key), "s3:GetObjectTagging") { Query = S3Request.QueryOf(("tagging", "")) },
        async answer => BucketXml.ReadTags(await AllAsync(answer).ConfigureAwait(false)),
        cancellationToken);

    public Task PutTagsAsync(string key, IReadOnlyList<KeyValuePair<string, string>> tags, CancellationToken cancellationToken)
    {
        var body = BucketXml.WriteTags(tags);
        return client.SendAsync(
            S3Request.With(
                new S3Request(HttpMethod.Put, Check(key), "s3:PutObjectTagging")
                {
                    Query = S3Request.QueryOf(("tagging", "")),
#pragma warning disable CA5351 // Required by the call; no security rests on it.
                    Headers = [("Content-MD5", Convert.ToBase64String(MD5.HashData(body)))],
#pragma warning restore CA5351
                },
                body),
            _ => Task.FromResult(true),
            cancellationToken);
    }

    internal static async Task<byte[]> AllAsync(S3Answer answer) =>
        await answer.ReadAllAsync(S3Xml.MaxAnswerBytes).ConfigureAwait(false) ?? throw new S3Fault("the answer is too long");

    private static bool IsAbsent(ObjectStoreException e) => e.InnerException is S3Fault { IsNotFound: true };

    /// <summary>S3 takes any text up to 1,024 bytes; control characters cannot travel in a listing.</summary>
    private string Check(string key) =>
        key.Length > 0 && System.Text.Encoding.UTF8.GetByteCount(key) <= ObjectKeyRules.MaxKeyBytes && !key.AsSpan().ContainsAnyInRange('\0', '\u001f')
            ? key : throw Fail(ObjectStoreErrorKind.Unsupported, key, "this is no key that S3 takes");

    /// <summary>S3 says 200 before a copy is done and may still fail.</summary>
    private static async Task<ETag> CopyETagAsync(S3Answer answer)
    {
        var body = await AllAsync(answer).ConfigureAwait(false);
        return S3Xml.IsError(body)
            ? throw new S3Fault(HttpStatusCode.InternalServerError, S3Xml.ReadError(body), null, answer.ServerTime, null, isHead: false)
            : S3Xml.ReadField(body, "ETag") is { Length: > 0 } etag ? new ETag(etag) : throw new S3Fault("the answer has no ETag");
    }

    private static Dictionary<string, string> StandardOf(S3Answer answer) => ObjectHeaders.StandardNames
        .Select(name => (Name: name, Value: answer.Header(name) ?? answer.ContentHeader(name)))
        .Where(h => h.Value is { Length: > 0 } && !h.Value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        .ToDictionary(h => h.Name, h => h.Value!);

    private static IEnumerable<(string, string)> SourceHeaders(ObjectVersion source) =>
    [
        ("x-amz-copy-source", $"/{source.Bucket}/{SigV4.Encode(source.Key, keepSlash: true)}"),
        ("x-amz-copy-source-if-match", source.ETag.Value),
    ];

    private IEnumerable<(string, string)> HeadersOf(ObjectHeaders headers, string writeId)
    {
        // A copy's metadata are those of its source, but for whose write it is.
        foreach (var (name, value) in headers.Metadata.Where(m => m.Key != ObjectHeaders.WriteIdName))
        {
            if (value.AsSpan().ContainsAnyExceptInRange(' ', '~') || name.AsSpan().ContainsAnyExceptInRange('-', 'z'))
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, $"s3://{Bucket}: metadata '{S3Errors.Clean(name)}' is not printable ASCII");
            }

            yield return (MetadataPrefix + name, value);
        }

        foreach (var (name, value) in headers.Standard)
        {
            yield return (name, value);
        }

        yield return (MetadataPrefix + ObjectHeaders.WriteIdName, writeId);
        if (headers is { KeepsTags: false, Tags.Count: > 0 })
        {
            yield return ("x-amz-tagging", string.Join('&', headers.Tags.Select(t => $"{SigV4.Encode(t.Key, keepSlash: false)}={SigV4.Encode(t.Value, keepSlash: false)}")));
        }

        foreach (var header in options.EncryptionHeaders())
        {
            yield return header;
        }
    }

    /// <summary>The object's ETag if it is the write with this id: an earlier attempt got through and only its answer was lost.</summary>
    private async Task<ETag?> FindOwnWriteAsync(string key, string writeId, CancellationToken cancellationToken) =>
        await HeadAsync(key, cancellationToken).ConfigureAwait(false) is { } found && found.WriteId == writeId
            ? found.ETag : null;

    private ObjectStoreException AsConflict(string key, PutCondition condition, ObjectStoreException cause) => new(
        ObjectStoreErrorKind.PreconditionFailed,
        $"s3://{Bucket}/{key}: {(condition.MustBeAbsent ? "it exists already" : "it was changed or removed by somebody else")}",
        cause);

    private ObjectStoreException Fail(ObjectStoreErrorKind kind, string key, string message) =>
        new(kind, $"s3://{Bucket}/{S3Errors.Clean(key)}: {message}");
}
