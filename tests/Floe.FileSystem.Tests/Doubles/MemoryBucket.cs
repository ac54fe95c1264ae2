using System.Runtime.CompilerServices;
using System.Text;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.FileSystem.Tests.Doubles;

/// <summary>A bucket in memory, with faults on demand and a count of its calls.</summary>
internal sealed class MemoryBucket(MemoryBuckets service, string name) : IBucketClient
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Stored> _objects = new(Comparer<string>.Create(static (a, b) =>
        Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b))));
    private readonly Dictionary<string, Upload> _uploads = [];
    private long _versions;

    private sealed record Stored(byte[] Content, ETag ETag, DateTimeOffset Time, ObjectHeaders Headers);

    private sealed record Upload(string Key, ObjectHeaders Headers, DateTimeOffset Time, SortedDictionary<int, (byte[] Content, ETag ETag)> Parts);

    public string Bucket => name;
    public int MaxConnections => 8;
    public bool Exists { get; init; }

    /// <summary>Called with the call's name and key before it takes effect; what it throws is the call's failure.</summary>
    public Action<string, string>? Before { get; set; }

    /// <summary>What listings wait for.</summary>
    public Task Listing { get; set; } = Task.CompletedTask;

    /// <summary>Called when a listing's answer is made and still on its way.</summary>
    public Action? Listed { get; set; }

    /// <summary>Called when a PUT or a copy has taken effect; what it throws stands for its lost answer.</summary>
    public Action<string, string>? After { get; set; }

    /// <summary>The same of the completion of an upload.</summary>
    public Action<string>? Completed { get; set; }

    /// <summary>How long the copy of a part takes, by its number; who gives up waiting does not end it.</summary>
    public Func<int, Task>? Copying { get; set; }

    /// <summary>How long it takes to send a part from a file, by its number.</summary>
    public Func<int, Task>? Sending { get; set; }

    /// <summary>Of objects up to this size no range is copied into a part.</summary>
    public long MaxUnrangedCopySource { get; set; } = 5 << 20;

    /// <summary>Off: as Ceph's gateway, which copies parts of whatever is there, and no tags where metadata change.</summary>
    public bool CopiesAsAws { get; set; } = true;

    public List<string> Calls { get; } = [];

    /// <summary>A copy, for who looks while calls come.</summary>
    public IReadOnlyList<string> CallsSoFar => Locked<IReadOnlyList<string>>(() => [.. Calls]);

    public IReadOnlyList<string> Keys => Locked<IReadOnlyList<string>>(() => [.. _objects.Keys]);

    public int OpenUploads => _uploads.Count;

    public string Text(string key) => Encoding.UTF8.GetString(Content(key));

    public byte[] Content(string key) => Find(key)?.Content ?? throw new KeyNotFoundException(key);

    public ObjectHeaders Headers(string key) => Find(key)!.Headers;

    /// <summary>As somebody else would write it.</summary>
    public void Put(string key, string text, ObjectHeaders? headers = null) => Store(key, Encoding.UTF8.GetBytes(text), headers ?? ObjectHeaders.Empty);

    public void Remove(string key)
    {
        lock (_lock)
        {
            _objects.Remove(key);
        }
    }

    public Task<bool> ExistsAsync(CancellationToken cancellationToken)
    {
        Call("HeadBucket", "");
        return Task.FromResult(Exists);
    }

    public Task<BucketObject?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        Call("Head", key);
        return Task.FromResult(Find(key) is { } found ? new BucketObject(key, found.Content.Length, found.ETag, found.Time, found.Headers.Metadata) { Standard = found.Headers.Standard } : null);
    }

    public Task ReadRangeAsync(ObjectVersion version, long offset, Memory<byte> destination, Action<int>? filled, CancellationToken cancellationToken)
    {
        Call("Get", version.Key);
        Pinned(version).AsMemory((int)offset, destination.Length).CopyTo(destination);
        filled?.Invoke(destination.Length);
        return Task.CompletedTask;
    }

    public async Task ReadRangeAsync(
        ObjectVersion version, long offset, long count, Func<long, ReadOnlyMemory<byte>, ValueTask> take, CancellationToken cancellationToken)
    {
        Call("Get", version.Key);
        await take(offset, Pinned(version).AsMemory((int)offset, (int)count));
    }

    public Task<SmallObject?> GetAsync(string key, int maxBytes, CancellationToken cancellationToken)
    {
        Call("Get", key);
        var found = Find(key);
        return found?.Content.Length > maxBytes
            ? throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, key)
            : Task.FromResult(found is null ? null : new SmallObject(found.Content, found.ETag, found.Time));
    }

    public async Task<BucketPage> ListAsync(
        string prefix, string? delimiter, string? token, int maxEntries, CancellationToken cancellationToken, string? startAfter = null)
    {
        Call("List", prefix);
        await Listing.WaitAsync(cancellationToken);
        var (objects, prefixes) = (new List<ListedObject>(), new List<string>());
        var after = token ?? startAfter ?? "";
        string? last = null;
        lock (_lock)
        {
            foreach (var (key, stored) in _objects)
            {
                if (!key.StartsWith(prefix, StringComparison.Ordinal) || Compare(key, after) <= 0)
                {
                    continue;
                }

                var slash = delimiter is null ? -1 : key.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal);
                var folder = slash < 0 ? null : key[..(slash + 1)];
                if (folder is not null && (after.StartsWith(folder, StringComparison.Ordinal) || (prefixes.Count > 0 && prefixes[^1] == folder)))
                {
                    continue;
                }

                if (objects.Count + prefixes.Count == maxEntries)
                {
                    return new BucketPage(objects, prefixes, last);
                }

                if (folder is null)
                {
                    objects.Add(new ListedObject(key, stored.Content.Length, stored.ETag, stored.Time));
                }
                else
                {
                    prefixes.Add(folder);
                }

                // Behind every key of the folder.
                last = folder is null ? key : folder + "\U0010FFFF";
            }
        }

        Listed?.Invoke();
        return new BucketPage(objects, prefixes, null);
    }

    public Task<ETag> PutAsync(string key, ReadOnlyMemory<byte> content, ObjectHeaders headers, PutCondition condition, CancellationToken cancellationToken)
    {
        Call("Put", key);
        return Task.FromResult(Make("Put", key, content.ToArray(), Marked(headers), condition, cancellationToken));
    }

    public Task<ETag> CopyAsync(ObjectVersion source, string key, ObjectHeaders? headers, PutCondition condition, CancellationToken cancellationToken)
    {
        Call("Copy", key);
        var (from, content) = (service[source.Bucket], service[source.Bucket].Pinned(source));
        var theirs = from.Headers(source.Key);
        var own = headers is null ? theirs : Marked(headers.KeepsTags ? headers with { Tags = CopiesAsAws ? theirs.Tags : [] } : headers);
        return Task.FromResult(Make("Copy", key, content, own, condition, cancellationToken));
    }

    public Task<UploadTicket> CreateUploadAsync(string key, ObjectHeaders headers, CancellationToken cancellationToken)
    {
        Call("CreateUpload", key);
        lock (_lock)
        {
            var id = $"upload-{++_versions}";
            var marked = Marked(headers);
            _uploads.Add(id, new Upload(key, marked, TimeProvider.System.GetUtcNow(), []));
            cancellationToken.ThrowIfCancellationRequested(); // Who gives up waiting for the answer has begun it all the same.
            return Task.FromResult(new UploadTicket(key, id, marked.Metadata["floe-write-id"]));
        }
    }

    public Task<UploadedPart> UploadPartAsync(UploadTicket upload, int number, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        Call("UploadPart", upload.Key);
        return Task.FromResult(Part(upload, number, content.ToArray()));
    }

    public async Task<UploadedPart> UploadPartAsync(
        UploadTicket upload, int number, SafeFileHandle file, long offset, long count, uint? knownChecksum, CancellationToken stop, CancellationToken cancellationToken)
    {
        Call("UploadPart", upload.Key);
        await (Sending?.Invoke(number) ?? Task.CompletedTask).WaitAsync(cancellationToken);
        var content = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = RandomAccess.Read(file, content.AsSpan(at), offset + at);
            at += read > 0 ? read : throw new EndOfStreamException();
        }

        Assert.Equal(Crc32C.Compute(content), knownChecksum ?? Crc32C.Compute(content));
        return Part(upload, number, content);
    }

    public Task<UploadedPart> CopyPartAsync(UploadTicket upload, int number, ObjectVersion source, long offset, long count, CancellationToken cancellationToken)
    {
        Call("CopyPart", upload.Key);
        if (source.Size <= MaxUnrangedCopySource)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, "S3 copies ranges of larger objects only");
        }

        return CopyAsync().WaitAsync(cancellationToken);

        async Task<UploadedPart> CopyAsync()
        {
            await (Copying?.Invoke(number) ?? Task.CompletedTask);
            var content = CopiesAsAws ? service[source.Bucket].Pinned(source) : service[source.Bucket].Content(source.Key);
            return Part(upload, number, content.AsSpan((int)offset, (int)count).ToArray());
        }
    }

    public Task<ETag> CompleteUploadAsync(UploadTicket upload, IReadOnlyList<UploadedPart> parts, PutCondition condition, CancellationToken cancellationToken)
    {
        Call("CompleteUpload", upload.Key);
        ETag etag;
        lock (_lock)
        {
            if (!_uploads.ContainsKey(upload.UploadId) && Find(upload.Key) is { } done && done.Headers.Metadata.GetValueOrDefault("floe-write-id") == upload.WriteId)
            {
                return Task.FromResult(done.ETag);
            }

            Check(upload.Key, condition);
            var (key, headers, _, stored) = FindUpload(upload);
            Assert.All(parts, p => Assert.Equal(stored[p.Number].ETag, p.ETag));
            _uploads.Remove(upload.UploadId);
            etag = Store(key, [.. parts.OrderBy(p => p.Number).SelectMany(p => stored[p.Number].Content)], headers);
        }

        Completed?.Invoke(upload.Key);
        return Task.FromResult(etag);
    }

    public Task AbortUploadAsync(string key, string uploadId, CancellationToken cancellationToken)
    {
        Call("AbortUpload", key);
        lock (_lock)
        {
            _uploads.Remove(uploadId);
            return Task.CompletedTask;
        }
    }

    public async IAsyncEnumerable<BucketUpload> ListUploadsAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var (id, upload) in _uploads.Where(u => u.Value.Key.StartsWith(prefix, StringComparison.Ordinal)).ToList())
        {
            yield return new BucketUpload(upload.Key, id, upload.Time);
        }
    }

    public Task<IReadOnlyList<UploadedPart>?> ListPartsAsync(string key, string uploadId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<UploadedPart>?>(_uploads.TryGetValue(uploadId, out var upload)
                ? [.. upload.Parts.Select(p => new UploadedPart(p.Key, p.Value.ETag, p.Value.Content.Length))] : null);
        }
    }

    public Task DeleteAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        foreach (var key in keys)
        {
            Call("Delete", key);
            Remove(key);
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<KeyValuePair<string, string>>> GetTagsAsync(string key, CancellationToken cancellationToken)
    {
        Call("GetTags", key);
        return Task.FromResult(Find(key)?.Headers.Tags ?? throw new ObjectStoreException(ObjectStoreErrorKind.NotFound, key));
    }

    public Task PutTagsAsync(string key, IReadOnlyList<KeyValuePair<string, string>> tags, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var found = Find(key) ?? throw new ObjectStoreException(ObjectStoreErrorKind.NotFound, key);
            _objects[key] = found with { Headers = found.Headers with { Tags = tags } };
            return Task.CompletedTask;
        }
    }

    private static int Compare(string a, string b) => Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b));

    private void Call(string call, string key)
    {
        lock (_lock)
        {
            Calls.Add($"{call} {key}");
        }

        if (key.Any(c => c < ' ') || Encoding.UTF8.GetByteCount(key) > 1024)
        {
            // As S3BucketClient does.
            throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, key);
        }

        Before?.Invoke(call, key);
    }

    /// <summary>With the write's id, as S3BucketClient sends it.</summary>
    private static ObjectHeaders Marked(ObjectHeaders headers) => headers.Metadata.Values.Any(v => v.Any(c => c is < ' ' or > '~'))
        ? throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, "metadata that cannot travel")
        : headers with
        {
            Metadata = new Dictionary<string, string>(headers.Metadata) { ["floe-write-id"] = headers.WriteId ?? ObjectHeaders.NewWriteId() },
        };

    private T Locked<T>(Func<T> look)
    {
        lock (_lock)
        {
            return look();
        }
    }

    private Stored? Find(string key)
    {
        lock (_lock)
        {
            return _objects.GetValueOrDefault(key);
        }
    }

    private byte[] Pinned(ObjectVersion version) => Find(version.Key) is { } found && found.ETag == version.ETag
        ? found.Content : throw new ObjectStoreException(ObjectStoreErrorKind.PreconditionFailed, version.Key);

    private void Check(string key, PutCondition condition)
    {
        var current = _objects.GetValueOrDefault(key);
        if ((condition.MustBeAbsent && current is not null) || (condition.MustMatch is { } etag && current?.ETag != etag))
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.PreconditionFailed, key);
        }
    }

    private ETag Make(string call, string key, byte[] content, ObjectHeaders headers, PutCondition condition, CancellationToken cancellationToken)
    {
        ETag etag;
        lock (_lock)
        {
            Check(key, condition);
            etag = Store(key, content, headers);
        }

        After?.Invoke(call, key);
        cancellationToken.ThrowIfCancellationRequested(); // Who gives up waiting for the answer has made it all the same.
        return etag;
    }

    private ETag Store(string key, byte[] content, ObjectHeaders headers)
    {
        lock (_lock)
        {
            var etag = new ETag($"\"v{++_versions}\"");
            _objects[key] = new Stored(content, etag, TimeProvider.System.GetUtcNow(), headers);
            return etag;
        }
    }

    private Upload FindUpload(UploadTicket upload) =>
        _uploads.GetValueOrDefault(upload.UploadId) ?? throw new ObjectStoreException(ObjectStoreErrorKind.NotFound, upload.Key);

    private UploadedPart Part(UploadTicket upload, int number, byte[] content)
    {
        lock (_lock)
        {
            var etag = new ETag($"\"p{number}-{++_versions}\"");
            FindUpload(upload).Parts[number] = (content, etag);
            return new UploadedPart(number, etag, content.Length);
        }
    }
}
