using System.Net;

namespace Floe.S3;

/// <summary>A successful answer whose body is still on the connection. Valid inside the reader that <see cref="S3Client.SendAsync"/> calls.</summary>
internal sealed class S3Answer(HttpResponseMessage response, ProgressWatch watch)
{
    public HttpStatusCode Status => response.StatusCode;

    public DateTimeOffset? ServerTime => response.Headers.Date;

    /// <summary>Length of the body; null when the server sends chunks.</summary>
    public long? ContentLength => response.Content.Headers.ContentLength;

    public (long From, long To, long? Total)? ContentRange =>
        response.Content.Headers.ContentRange is { Unit: "bytes", From: { } from, To: { } to } range ? (from, to, range.Length) : null;

    public ETag? ETag => Header("ETag") is { Length: > 0 } text ? new ETag(text) : null;

    public string? Header(string name) =>
        response.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    /// <summary>Headers that begin with the prefix: names in lower case without it.</summary>
    public Dictionary<string, string> HeadersBelow(string prefix)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, values) in response.Headers.NonValidated)
        {
            if (name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            {
                found[name[prefix.Length..].ToLowerInvariant()] = values.ToString();
            }
        }

        return found;
    }

    public string? ContentHeader(string name) =>
        response.Content.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    /// <summary>The body's next bytes straight into the caller's memory, until it is full or the body ends; <paramref name="done"/> counts along.</summary>
    public async Task ReadAsync(Memory<byte> destination, Action<int> done)
    {
        var stream = await response.Content.ReadAsStreamAsync(watch.Token).ConfigureAwait(false);
        while (destination.Length > 0)
        {
            var count = await stream.ReadAsync(destination, watch.Token).ConfigureAwait(false);
            if (count == 0)
            {
                return;
            }

            watch.Touch();
            done(count);
            destination = destination[count..];
        }
    }

    /// <summary>The whole body; null when it is longer than allowed. A body that breaks off is an exception.</summary>
    public async Task<byte[]?> ReadAllAsync(int maxBytes)
    {
        if (ContentLength is { } length)
        {
            if (length > maxBytes)
            {
                return null;
            }

            var exact = new byte[length];
            var filled = 0;
            await ReadAsync(exact, count => filled += count).ConfigureAwait(false);
            return filled == length ? exact : throw new S3Fault("the answer broke off");
        }

        var buffer = new byte[Math.Min(maxBytes, 64 << 10) + 1];
        for (var used = 0; ;)
        {
            await ReadAsync(buffer.AsMemory(used), count => used += count).ConfigureAwait(false);
            if (used < buffer.Length)
            {
                return buffer[..used];
            }

            if (used > maxBytes)
            {
                return null;
            }

            Array.Resize(ref buffer, (int)Math.Min((long)buffer.Length * 2, (long)maxBytes + 1));
        }
    }

    /// <summary>
    /// An object's bytes, checked by the CRC32C that comes with them (where the request said x-amz-checksum-mode); null when they are more than allowed.
    /// </summary>
    public async Task<byte[]?> ReadObjectAsync(int maxBytes)
    {
        if (ContentLength is null && response.Headers.TransferEncodingChunked != true)
        {
            // Where the connection's end is the body's, a break looks like the end.
            throw new S3Fault("the answer does not say how long it is");
        }

        var content = await ReadAllAsync(maxBytes).ConfigureAwait(false);
        // A composite checksum of a multipart upload ("…-3") says nothing about the bytes as a whole.
        return content is null || Header("x-amz-checksum-crc32c") is not { } expected || expected.Contains('-', StringComparison.Ordinal)
            || Crc32C.ToBase64(Crc32C.Compute(content)) == expected
            ? content
            : throw new S3Fault("the bytes do not match their checksum", code: "BadDigest");
    }
}
