using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Floe.S3;

/// <summary>
/// Objects in an S3 bucket below a prefix, over plain REST. Bodies go out of and into the caller's memory without a copy. A conditional PUT carries
/// a write id in its metadata (<c>floe-write-id</c>), so that after a lost answer the write is known for its own.
/// </summary>
internal sealed class S3ObjectStore : IMultipartStore
{
    private const string WriteIdHeader = "x-amz-meta-floe-write-id";
    private const string GetAction = "s3:GetObject (and s3:ListBucket, to tell absence)";
    private const int MaxPageEntries = 1000;

    private readonly S3Client _client;
    private readonly ObjectStoreOptions _options;
    private readonly S3Uploads _uploads;
    private readonly S3Deletion _deletion;

    // The store's prefix with its slash; empty for a whole bucket.
    private readonly string _prefix;

    public S3ObjectStore(StoreUrl url, ObjectStoreOptions options, ICredentialSource credentials, TimeProvider time, ILogger logger)
    {
        Url = url;
        _options = options;
        _prefix = url.Path.Length == 0 ? "" : url.Path + "/";
        _client = new S3Client(url, options, credentials, time, logger);
        _uploads = new S3Uploads(_client, this);
        _deletion = new S3Deletion(_client, url);
    }

    public StoreUrl Url { get; }

    public int MaxConnections => _options.MaxConnections;

    public TimeSpan FailingFor => _client.FailingFor;

    public async Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) =>
        (await HeadWithWriteIdAsync(key, cancellationToken).ConfigureAwait(false))?.Info;

    public async Task<SmallObject?> GetAsync(ObjectKey key, int maxBytes, CancellationToken cancellationToken)
    {
        var request = new S3Request(HttpMethod.Get, FullKey(key), GetAction) { Headers = [("x-amz-checksum-mode", "ENABLED")] };
        try
        {
            return await _client.SendAsync(request, async answer =>
            {
                var content = await answer.ReadObjectAsync(maxBytes).ConfigureAwait(false)
                    ?? throw Fail(ObjectStoreErrorKind.TooLarge, key, $"it has {answer.ContentLength} bytes, at most {maxBytes} are taken");
                return new SmallObject(content, Need(answer.ETag), answer.ServerTime);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { IsNotFound: true })
        {
            return null;
        }
    }

    public async Task ReadRangeAsync(ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (destination.Length == 0)
        {
            _ = await HeadAsync(key, cancellationToken).ConfigureAwait(false) ?? throw Fail(ObjectStoreErrorKind.NotFound, key, "it is not there");
            return;
        }

        try
        {
            await ReadRangeOfOneVersionAsync(key, offset, destination, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { IsPreconditionFailed: true })
        {
            throw Replaced(key);
        }
    }

    public async Task<ETag> PutAsync(ObjectKey key, ReadOnlyMemory<byte> content, PutCondition condition, CancellationToken cancellationToken)
    {
        var writeId = condition == PutCondition.None ? null : RandomNumberGenerator.GetHexString(32, lowercase: true);
        var request = S3Request.With(
            new S3Request(HttpMethod.Put, FullKey(key), PutAction(condition))
            {
                Headers =
                [
                    ("x-amz-sdk-checksum-algorithm", "CRC32C"),
                    ("x-amz-checksum-crc32c", Crc32C.ToBase64(Crc32C.Compute(content.Span))),
                    .. WriteHeaders(writeId),
                    .. ConditionHeaders(condition),
                ],
            },
            content);
        try
        {
            return await _client.SendAsync(request, answer => Task.FromResult(Need(answer.ETag)), cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (writeId is not null && IsConflict(e))
        {
            return await FindOwnWriteAsync(key, writeId, cancellationToken).ConfigureAwait(false) ?? throw AsConflict(key, condition, e);
        }
    }

    public Task<ETag> PutLargeAsync(
        ObjectKey key, Stream content, long maxBytes, PutCondition condition, int maxParallelParts, CancellationToken cancellationToken) =>
        _uploads.PutLargeAsync(key, content, maxBytes, condition, maxParallelParts, cancellationToken);

    public Task<int> AbortStaleUploadsAsync(ObjectKey prefix, DateTimeOffset startedBefore, CancellationToken cancellationToken)
    {
        ObjectKeyRules.CheckPrefix(prefix);
        return _uploads.AbortStaleAsync(_prefix + prefix.Value, startedBefore, cancellationToken);
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(ObjectKey prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var page in PagesAsync(prefix, delimiter: null, cancellationToken).ConfigureAwait(false))
        {
            foreach (var (fullKey, size, etag, lastModified) in page.Objects)
            {
                // Folder markers and what else strangers put here are no objects of ours.
                if (ObjectKeyRules.IsKey(fullKey[_prefix.Length..]))
                {
                    yield return new ObjectInfo(new ObjectKey(fullKey[_prefix.Length..]), size, new ETag(etag), lastModified);
                }
            }
        }
    }

    public async IAsyncEnumerable<ObjectKey> ListFoldersAsync(ObjectKey prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectKeyRules.CheckFolder(prefix);
        await foreach (var page in PagesAsync(prefix, delimiter: "/", cancellationToken).ConfigureAwait(false))
        {
            foreach (var folder in page.Folders)
            {
                if (ObjectKeyRules.IsKey(folder[_prefix.Length..].TrimEnd('/')))
                {
                    yield return new ObjectKey(folder[_prefix.Length..]);
                }
            }
        }
    }

    public Task DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken) =>
        _deletion.DeleteAsync([.. keys.Select(FullKey)], cancellationToken);

    public Task DeleteOnceAsync(ObjectKey key, CancellationToken cancellationToken) => _deletion.DeleteOneAsync(FullKey(key), cancellationToken, isSentOnce: true);

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    internal static string PutAction(PutCondition condition) =>
        condition.MustMatch is null ? "s3:PutObject" : "s3:PutObject and s3:GetObject";

    internal static IEnumerable<(string, string)> ConditionHeaders(PutCondition condition)
    {
        if (condition.MustBeAbsent)
        {
            yield return ("If-None-Match", "*");
        }

        if (condition.MustMatch is { } etag)
        {
            yield return ("If-Match", etag.Value);
        }
    }

    internal IEnumerable<(string, string)> WriteHeaders(string? writeId) =>
        writeId is null ? _options.EncryptionHeaders() : _options.EncryptionHeaders().Prepend((WriteIdHeader, writeId));

    /// <summary>Whether a write failed because of the object that is there. If-Match on an absent object is answered with 404.</summary>
    internal static bool IsConflict(ObjectStoreException e) =>
        e.Kind == ObjectStoreErrorKind.PreconditionFailed || e.InnerException is S3Fault { IsNotFound: true };

    internal ObjectStoreException AsConflict(ObjectKey key, PutCondition condition, ObjectStoreException cause) => new(
        ObjectStoreErrorKind.PreconditionFailed,
        $"{Url}/{key}: {(condition.MustBeAbsent ? "it exists already" : "it was changed or removed by somebody else")}",
        cause);

    /// <summary>The object's ETag if it is the write with this id: an earlier attempt got through and only its answer was lost.</summary>
    internal async Task<ETag?> FindOwnWriteAsync(ObjectKey key, string writeId, CancellationToken cancellationToken) =>
        await HeadWithWriteIdAsync(key, cancellationToken).ConfigureAwait(false) is var (info, found) && found == writeId ? info.ETag : null;

    internal string FullKey(ObjectKey key)
    {
        ObjectKeyRules.CheckKey(key);
        var full = _prefix + key.Value;
        return System.Text.Encoding.UTF8.GetByteCount(full) <= ObjectKeyRules.MaxKeyBytes
            ? full
            : throw Fail(ObjectStoreErrorKind.Unsupported, key, $"with the store's prefix the key is longer than {ObjectKeyRules.MaxKeyBytes} bytes");
    }

    internal static ETag Need(ETag? etag) => etag ?? throw new S3Fault("the answer has no ETag");

    internal ObjectStoreException Fail(ObjectStoreErrorKind kind, ObjectKey key, string message) => new(kind, $"{Url}/{key}: {message}");

    private static string Range(long from, long to) => string.Create(CultureInfo.InvariantCulture, $"bytes={from}-{to}");

    private async Task<(ObjectInfo Info, string? WriteId)?> HeadWithWriteIdAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        try
        {
            return await _client.SendAsync(new S3Request(HttpMethod.Head, FullKey(key), GetAction), answer =>
            {
                var size = answer.ContentLength ?? throw new S3Fault("the answer has no Content-Length");
                var modified = DateTimeOffset.TryParse(answer.ContentHeader("Last-Modified"), CultureInfo.InvariantCulture, out var time)
                    ? time : DateTimeOffset.UnixEpoch;
                return Task.FromResult((new ObjectInfo(key, size, Need(answer.ETag), modified), answer.Header(WriteIdHeader)));
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { IsNotFound: true })
        {
            return null;
        }
    }

    private ObjectStoreException Replaced(ObjectKey key) => Fail(ObjectStoreErrorKind.Corrupt, key, "it was replaced while it was read");

    /// <summary>After the first answer only its version will do: what two attempts bring together is one object's bytes.</summary>
    private async Task ReadRangeOfOneVersionAsync(ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken)
    {
        var fullKey = FullKey(key);
        var done = 0;
        ETag? version = null;
        await _client.SendAsync(
            () => new S3Request(HttpMethod.Get, fullKey, GetAction)
            {
                Lane = destination.Length > S3Request.MaxSignedPayloadBytes ? S3Lane.Bulk : S3Lane.Small,
                Headers = version is { } etag
                    ? [("Range", Range(offset + done, offset + destination.Length - 1)), ("If-Match", etag.Value)]
                    : [("Range", Range(offset, offset + destination.Length - 1))],
            },
            async answer =>
            {
                var etag = Need(answer.ETag);
                if (version is { } known && known != etag)
                {
                    throw Replaced(key);
                }

                version = etag;
                CheckRange(key, answer, offset + done, destination.Length - done);
                while (done < destination.Length)
                {
                    var before = done;
                    await answer.ReadAsync(destination.From(done), count => done += count).ConfigureAwait(false);
                    if (done == before)
                    {
                        throw new S3Fault("the answer broke off");
                    }
                }

                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    private void CheckRange(ObjectKey key, S3Answer answer, long offset, int count)
    {
        if (answer.Status == HttpStatusCode.OK && offset == 0)
        {
            // The server sends the whole object; that will do where it begins with what was asked for.
            if (answer.ContentLength is { } length && length < count)
            {
                throw Fail(ObjectStoreErrorKind.Truncated, key, $"it has {length} bytes, but {count} from {offset} were expected");
            }

            return;
        }

        if (answer.ContentRange is not var (from, to, total) || answer.Status != HttpStatusCode.PartialContent || from != offset
            || to < from || to - from >= count || (answer.ContentLength is { } bytes && bytes != to - from + 1))
        {
            throw new S3Fault("the answer carries another range than was asked for");
        }

        if (to - from + 1 < count)
        {
            throw total is { } size && size <= to + 1
                ? Fail(ObjectStoreErrorKind.Truncated, key, $"it has {size} bytes, but {count} from {offset} were expected")
                : new S3Fault("the answer carries a shorter range than was asked for");
        }
    }

    private async IAsyncEnumerable<S3ListPage> PagesAsync(
        ObjectKey prefix, string? delimiter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectKeyRules.CheckPrefix(prefix);
        var fullPrefix = _prefix + prefix.Value;
        string? token = null;
        var last = "";
        do
        {
            var request = new S3Request(HttpMethod.Get, "", "s3:ListBucket")
            {
                Query = S3Request.QueryOf(
                    ("list-type", "2"), ("encoding-type", "url"), ("prefix", fullPrefix), ("delimiter", delimiter),
                    ("continuation-token", token), ("max-keys", MaxPageEntries.ToString(CultureInfo.InvariantCulture))),
            };
            var previous = last;
            var page = await _client.SendAsync(request, async answer =>
            {
                var body = await answer.ReadAllAsync(S3Xml.MaxAnswerBytes).ConfigureAwait(false) ?? throw new S3Fault("the listing is too long");
                var page = S3Xml.ReadList(body);
                // A listing that does not move forward would never end.
                last = CheckOrder(delimiter is null ? page.Objects.Select(o => o.Key) : page.Folders, fullPrefix, previous);
                return page.NextToken is { } next && next == token ? throw new S3Fault("the listing does not move forward") : page;
            }, cancellationToken).ConfigureAwait(false);
            yield return page;
            token = page.NextToken;
        }
        while (token is not null);
    }

    /// <summary>Each key must lie below the prefix and after the one before, in UTF-8 byte order; gives back the last.</summary>
    private static string CheckOrder(IEnumerable<string> keys, string prefix, string previous)
    {
        foreach (var key in keys)
        {
            if (!key.StartsWith(prefix, StringComparison.Ordinal))
            {
                throw new S3Fault("the listing holds keys outside the prefix that was asked for");
            }

            if (ObjectKeyRules.Compare(key, previous) <= 0 && previous.Length > 0)
            {
                throw new S3Fault("the listing is not in key order");
            }

            previous = key;
        }

        return previous;
    }
}
