using System.Buffers;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace Floe.S3;

/// <summary>
/// AWS Signature Version 4 in the Authorization header (S3 API reference, "Authenticating Requests"): S3's flavour encodes the path once
/// and takes UNSIGNED-PAYLOAD for a body that something else protects. Other services encode a path twice: their callers see to it.
/// </summary>
/// <param name="service">The service's name in the signing scope: s3, ec2, iam.</param>
internal sealed class SigV4(string service = "s3")
{
    public const string UnsignedPayload = "UNSIGNED-PAYLOAD";
    public const string EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private static readonly SearchValues<char> Unreserved =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");

    private sealed record SigningKey(string Secret, string Date, string Region, byte[] Key);

    private volatile SigningKey? _cached;

    /// <summary>
    /// Adds x-amz-date, x-amz-content-sha256, the session token and Authorization. Signs the host, every x-amz- header, conditions, range and MD5.
    /// </summary>
    /// <param name="path">Path as it is sent, percent-encoded.</param>
    /// <param name="query">Query as it is sent: encoded, sorted, without '?'.</param>
    public void Sign(
        HttpRequestMessage request, string authority, string path, string query, string payloadHash, AccessKeys keys, string region, DateTimeOffset now)
    {
        var timestamp = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'");
        var headers = request.Headers;
        headers.TryAddWithoutValidation("x-amz-content-sha256", payloadHash);
        headers.TryAddWithoutValidation("x-amz-date", timestamp);
        if (keys.SessionToken is { } token)
        {
            headers.TryAddWithoutValidation("x-amz-security-token", token);
        }

        var signed = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["host"] = authority };
        Collect(headers.NonValidated, signed);
        if (request.Content is { } content)
        {
            Collect(content.Headers.NonValidated, signed);
        }

        headers.TryAddWithoutValidation("Authorization", Authorization(request.Method.Method, path, query, signed, payloadHash, keys, region, timestamp));
    }

    /// <summary>The header's value for a request given by its canonical parts. <paramref name="signed"/>: lower-case names to values.</summary>
    public string Authorization(
        string method, string path, string query, SortedDictionary<string, string> signed, string payloadHash,
        AccessKeys keys, string region, string timestamp)
    {
        var canonical = new StringBuilder(1024).Append(method).Append('\n').Append(path).Append('\n').Append(query).Append('\n');
        foreach (var (name, value) in signed)
        {
            canonical.Append(name).Append(':').Append(Canonical(value)).Append('\n');
        }

        var names = string.Join(';', signed.Keys);
        canonical.Append('\n').Append(names).Append('\n').Append(payloadHash);

        var date = timestamp[..8];
        var scope = $"{date}/{region}/{service}/aws4_request";
        var canonicalHash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())));
        var toSign = $"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{canonicalHash}";
        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(Key(keys.SecretAccessKey, date, region), Encoding.UTF8.GetBytes(toSign)));
        return $"AWS4-HMAC-SHA256 Credential={keys.AccessKeyId}/{scope},SignedHeaders={names},Signature={signature}";
    }

    /// <summary>Without blanks at the ends, and with one for each row of them in between.</summary>
    private static string Canonical(string value)
    {
        var trimmed = value.Trim();
        return trimmed.Contains("  ", StringComparison.Ordinal) ? string.Join(' ', trimmed.Split(' ', StringSplitOptions.RemoveEmptyEntries)) : trimmed;
    }

    /// <summary>Percent-encodes UTF-8 bytes other than RFC 3986's unreserved characters; in a path the slashes stay.</summary>
    public static string Encode(string text, bool keepSlash)
    {
        if (!text.AsSpan().ContainsAnyExcept(Unreserved))
        {
            return text;
        }

        var encoded = new StringBuilder(text.Length + 16);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            if ((b < 0x80 && Unreserved.Contains((char)b)) || (b == '/' && keepSlash))
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append('%').Append($"{b:X2}");
            }
        }

        return encoded.ToString();
    }

    private static void Collect(HttpHeadersNonValidated headers, SortedDictionary<string, string> signed)
    {
        foreach (var (key, values) in headers)
        {
            var name = key.ToLowerInvariant();
            if (name.StartsWith("x-amz-", StringComparison.Ordinal) || name is "if-match" or "if-none-match" or "range" or "content-md5")
            {
                signed[name] = values.ToString();
            }
        }
    }

    private byte[] Key(string secret, string date, string region)
    {
        if (_cached is { } cached && cached.Secret == secret && cached.Date == date && cached.Region == region)
        {
            return cached.Key;
        }

        var key = Encoding.UTF8.GetBytes("AWS4" + secret);
        foreach (var part in (ReadOnlySpan<string>)[date, region, service, "aws4_request"])
        {
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        }

        _cached = new SigningKey(secret, date, region, key);
        return key;
    }
}
