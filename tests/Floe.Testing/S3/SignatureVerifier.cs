using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Floe.Testing.S3;

/// <summary>
/// Checks Signature Version 4 as the service does, written from its specification ("Authenticating Requests: Using the Authorization Header") and
/// sharing nothing with the client: it starts from the raw request line and the headers as they came.
/// </summary>
internal static class SignatureVerifier
{
    /// <summary>Null when the request is signed right, else the S3 error code.</summary>
    public static string? Check(HttpContext context, string accessKey, string secret, string? token, string region, DateTimeOffset now)
    {
        var request = context.Request;
        var header = request.Headers.Authorization.ToString();
        const string scheme = "AWS4-HMAC-SHA256 ";
        if (!header.StartsWith(scheme, StringComparison.Ordinal))
        {
            return "AccessDenied";
        }

        var fields = header[scheme.Length..].Split(',').Select(f => f.Trim().Split('=', 2)).ToDictionary(f => f[0], f => f[1], StringComparer.Ordinal);
        var credential = fields["Credential"].Split('/');
        var timestamp = request.Headers["x-amz-date"].ToString();
        if (!DateTimeOffset.TryParseExact(
            timestamp, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            return "AccessDenied";
        }

        if (credential[0] != accessKey)
        {
            return token is null ? "InvalidAccessKeyId" : "ExpiredToken";
        }

        if ((time - now).Duration() > TimeSpan.FromMinutes(15))
        {
            return "RequestTimeTooSkewed";
        }

        if (credential is not [_, var date, var scopeRegion, "s3", "aws4_request"] || date != timestamp[..8])
        {
            return "AuthorizationHeaderMalformed";
        }

        if (scopeRegion != region)
        {
            return "AuthorizationHeaderMalformed";
        }

        if (request.Headers["x-amz-security-token"].ToString() is var sent && sent != (token ?? ""))
        {
            return "InvalidToken";
        }

        var names = fields["SignedHeaders"].Split(';');
        // The service insists on the host and on every x-amz- header being signed.
        if (!names.Contains("host") || request.Headers.Keys.Any(
            k => k.StartsWith("x-amz-", StringComparison.OrdinalIgnoreCase) && !names.Contains(k.ToLowerInvariant())))
        {
            return "AccessDenied";
        }

        var canonical = new StringBuilder();
        canonical.Append(request.Method).Append('\n');
        canonical.Append(Recode(S3DoubleCall.RawPath(context), "/")).Append('\n');
        var query = (request.QueryString.Value ?? "").TrimStart('?');
        canonical.AppendJoin('&', query.Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(p => p.Split('=', 2))
            .Select(p => (Name: Recode(p[0], ""), Value: Recode(p.Length > 1 ? p[1] : "", "")))
            .OrderBy(p => p.Name, StringComparer.Ordinal).ThenBy(p => p.Value, StringComparer.Ordinal)
            .Select(p => $"{p.Name}={p.Value}")).Append('\n');
        foreach (var name in names)
        {
            canonical.Append(name).Append(':').Append(Regex.Replace(request.Headers[name].ToString().Trim(), " +", " ")).Append('\n');
        }

        canonical.Append('\n').Append(fields["SignedHeaders"]).Append('\n').Append(request.Headers["x-amz-content-sha256"].ToString());

        var scope = string.Join('/', credential[1..]);
        var text = "AWS4-HMAC-SHA256\n" + timestamp + "\n" + scope + "\n"
            + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString()))).ToLowerInvariant();
        var key = Hmac(Hmac(Hmac(Hmac(Encoding.UTF8.GetBytes("AWS4" + secret), date), scopeRegion), "s3"), "aws4_request");
        var signature = Convert.ToHexString(Hmac(key, text)).ToLowerInvariant();
        return signature == fields["Signature"] ? null : "SignatureDoesNotMatch";
    }

    /// <summary>Decodes and encodes again as the specification's UriEncode does: a client that encodes otherwise signs something else.</summary>
    private static string Recode(string encoded, string safe)
    {
        var result = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(Uri.UnescapeDataString(encoded)))
        {
            var c = (char)b;
            result.Append(char.IsAsciiLetterOrDigit(c) || "-._~".Contains(c) || safe.Contains(c) ? c.ToString() : $"%{b:X2}");
        }

        return result.ToString();
    }

    private static byte[] Hmac(byte[] key, string text)
    {
        using var hmac = new HMACSHA256(key);
        return hmac.ComputeHash(Encoding.UTF8.GetBytes(text));
    }
}
