using System.Security.Cryptography;
using System.Text;

namespace Floe.Testing.S3;

/// <param name="Content">Null: discarded.</param>
internal sealed record S3DoubleObject(byte[]? Content, long Size, string ETag, DateTimeOffset LastModified, IReadOnlyDictionary<string, string> Metadata)
{
    public string? ChecksumCrc32C { get; init; }

    public IReadOnlyList<KeyValuePair<string, string>> Tags { get; init; } = [];
}

internal sealed record S3DoubleUpload(string Key, DateTimeOffset Initiated, IReadOnlyDictionary<string, string> Metadata)
{
    public IReadOnlyList<KeyValuePair<string, string>> Tags { get; init; } = [];

    public SortedDictionary<int, (byte[]? Content, long Size, string ETag, string? Checksum)> Parts { get; } = [];
}

/// <summary>The bucket. Every change is one step under one lock, so conditions hold under any race.</summary>
internal sealed class S3DoubleState(bool hashesBodies, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, S3DoubleObject> _objects = new(Comparer<string>.Create(CompareUtf8));
    private readonly SortedDictionary<string, S3DoubleUpload> _uploads = new(StringComparer.Ordinal);
    private long _unhashed;

    /// <summary>What reading a discarded object gives, from its start and over again: 1 MiB of bytes that do not compress.</summary>
    public static byte[] Pattern { get; } = MakePattern();

    /// <summary>The service's clock, for what is written.</summary>
    public DateTimeOffset Now => time.GetUtcNow();

    public int OpenUploadCount
    {
        get
        {
            lock (_lock)
            {
                return _uploads.Count;
            }
        }
    }

    public int OpenPartCount
    {
        get
        {
            lock (_lock)
            {
                return _uploads.Values.Sum(u => u.Parts.Count);
            }
        }
    }

    public S3DoubleObject? TryGet(string key)
    {
        lock (_lock)
        {
            return _objects.GetValueOrDefault(key);
        }
    }

    public string Put(string key, byte[]? content, long size, IReadOnlyDictionary<string, string> metadata, string? checksum = null)
    {
        lock (_lock)
        {
            return PutLocked(key, content, size, metadata, checksum);
        }
    }

    /// <summary>Null where the condition failed; then <paramref name="isMissing"/> tells If-Match on nothing.</summary>
    public string? TryPut(
        string key, byte[]? content, long size, IReadOnlyDictionary<string, string> metadata, string? checksum, bool ifAbsent, string? ifMatch, out bool isMissing)
    {
        lock (_lock)
        {
            var current = _objects.GetValueOrDefault(key);
            isMissing = current is null && ifMatch is not null;
            return (ifAbsent && current is not null) || (ifMatch is not null && current?.ETag != ifMatch)
                ? null : PutLocked(key, content, size, metadata, checksum);
        }
    }

    public void Delete(string key)
    {
        lock (_lock)
        {
            _objects.Remove(key);
        }
    }

    public List<KeyValuePair<string, S3DoubleObject>> Below(string prefix)
    {
        lock (_lock)
        {
            return [.. _objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal))];
        }
    }

    public string Begin(S3DoubleUpload upload)
    {
        lock (_lock)
        {
            var id = Guid.NewGuid().ToString("N");
            _uploads.Add(id, upload);
            return id;
        }
    }

    public List<(string Id, S3DoubleUpload Upload)> Uploads(string prefix)
    {
        lock (_lock)
        {
            return [.. _uploads.Where(u => u.Value.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(u => (u.Key, u.Value))
                .OrderBy(u => u.Value.Key, StringComparer.Ordinal).ThenBy(u => u.Key, StringComparer.Ordinal)];
        }
    }

    public bool Abort(string id)
    {
        lock (_lock)
        {
            return _uploads.Remove(id);
        }
    }

    /// <summary>The parts of an upload that is there.</summary>
    public List<(int Number, long Size, string ETag, string? Checksum)>? Parts(string id)
    {
        lock (_lock)
        {
            return _uploads.TryGetValue(id, out var upload) ? [.. upload.Parts.Select(p => (p.Key, p.Value.Size, p.Value.ETag, p.Value.Checksum))] : null;
        }
    }

    /// <summary>False where there is no such object.</summary>
    public bool SetTags(string key, IReadOnlyList<KeyValuePair<string, string>> tags)
    {
        lock (_lock)
        {
            if (!_objects.TryGetValue(key, out var found))
            {
                return false;
            }

            _objects[key] = found with { Tags = tags };
            return true;
        }
    }

    public string? TryPutPart(string id, int number, byte[]? content, long size, string? checksum)
    {
        lock (_lock)
        {
            if (!_uploads.TryGetValue(id, out var upload))
            {
                return null;
            }

            var etag = NewETag(content);
            upload.Parts[number] = (content, size, etag, checksum);
            return etag;
        }
    }

    /// <summary>The object's ETag, or an error code.</summary>
    public (string? ETag, string? Error) Complete(string id, List<(int Number, string ETag, string? Checksum)> parts, bool ifAbsent, string? ifMatch)
    {
        lock (_lock)
        {
            if (!_uploads.TryGetValue(id, out var upload))
            {
                return (null, "NoSuchUpload");
            }

            var current = _objects.GetValueOrDefault(upload.Key);
            if ((ifAbsent && current is not null) || (ifMatch is not null && current?.ETag != ifMatch))
            {
                return (null, "PreconditionFailed");
            }

            var whole = new MemoryStream();
            long size = 0;
            var isKept = true;
            foreach (var (number, etag, checksum) in parts)
            {
                if (!upload.Parts.TryGetValue(number, out var part) || part.ETag != etag || (checksum is not null && part.Checksum != checksum))
                {
                    return (null, "InvalidPart");
                }

                if (number != parts[^1].Number && part.Size < 5 << 20)
                {
                    return (null, "EntityTooSmall");
                }

                size += part.Size;
                isKept &= part.Content is not null;
                whole.Write(part.Content ?? []);
            }

            _uploads.Remove(id);
            return (PutLocked(upload.Key, isKept ? whole.ToArray() : null, size, upload.Metadata, null, $"-{parts.Count}", upload.Tags), null);
        }
    }

    internal static int CompareUtf8(string? a, string? b) =>
        Encoding.UTF8.GetBytes(a ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b ?? ""));

    private static byte[] MakePattern()
    {
        var pattern = new byte[1 << 20];
        new Random(20260).NextBytes(pattern);
        return pattern;
    }

    private string PutLocked(
        string key, byte[]? content, long size, IReadOnlyDictionary<string, string> metadata, string? checksum, string suffix = "",
        IReadOnlyList<KeyValuePair<string, string>>? tags = null)
    {
        var etag = suffix.Length == 0 ? NewETag(content) : NewETag(content).TrimEnd('"') + suffix + '"';
        _objects[key] = new S3DoubleObject(content, size, etag, Now, metadata)
        {
            ChecksumCrc32C = checksum,
            Tags = tags ?? [],
        };
        return etag;
    }

    private string NewETag(byte[]? content) =>
        content is null || !hashesBodies ? $"\"unhashed-{++_unhashed}\"" : $"\"{Convert.ToHexStringLower(MD5.HashData(content))}\"";
}
