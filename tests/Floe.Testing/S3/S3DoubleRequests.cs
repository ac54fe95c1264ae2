using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Floe.Testing.S3;

/// <summary>Takes a request: who signed it, what is wrong today, which operation it is.</summary>
internal sealed class S3DoubleRequests(S3Double server)
{
    private readonly S3DoubleBucketOperations _bucket = new(server);

    public async Task HandleAsync(HttpContext context)
    {
        var call = server.Note(context);
        var fault = server.Faults.Take(call);
        try
        {
            switch (fault?.Kind)
            {
                case S3DoubleFaultKind.Stall:
                    await StallAsync(context, server.Faults.Disposed);
                    context.Abort();
                    return;

                case S3DoubleFaultKind.ResetInRequest:
                    await ReadBodyAsync(context, keep: false, fault.AfterBytes);
                    context.Abort();
                    return;

                case S3DoubleFaultKind.Error:
                    await ReadBodyAsync(context, keep: false);
                    var error = S3DoubleAnswer.Error(fault.Status, fault.Code, fault.Xml);
                    error.Headers.AddRange(fault.Headers);
                    // An answer to HEAD has no body, so it carries no code either.
                    await (call.Method == "HEAD" ? new S3DoubleAnswer(fault.Status) { Headers = error.Headers } : error)
                        .WriteAsync(context, null, server.Faults.Disposed);
                    return;

                case S3DoubleFaultKind.Garbage:
                    await ReadBodyAsync(context, keep: false);
                    await new S3DoubleAnswer(200) { Body = System.Text.Encoding.UTF8.GetBytes(fault.Body) }.WriteAsync(context, null, server.Faults.Disposed);
                    return;
            }

            var answer = await ExecuteAsync(context, call, fault);
            if (fault?.Kind == S3DoubleFaultKind.LoseAnswer)
            {
                context.Abort();
                return;
            }

            if (server.Options.Pace is { } pace)
            {
                await pace.DelayAsync(context.RequestAborted);
            }

            await answer.WriteAsync(context, fault, server.Faults.Disposed, server.Options.Pace);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or BadHttpRequestException)
        {
            // The client went away, or the test ended.
            context.Abort();
        }
    }

    public static async Task StallAsync(HttpContext context, CancellationToken disposed)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, disposed);
        await Task.Delay(Timeout.Infinite, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task<S3DoubleAnswer> ExecuteAsync(HttpContext context, S3DoubleCall call, S3DoubleFault? fault)
    {
        var request = context.Request;
        var now = server.Options.Time.GetUtcNow() + server.Options.ClockOffset;
        context.Response.Headers.Date = now.ToString("R", CultureInfo.InvariantCulture);
        var length = request.ContentLength ?? 0;
        var keep = !server.Options.Discards || length <= server.Options.KeptBytes;
        var refusal = SignatureVerifier.Check(
            context, server.Keys.AccessKeyId, server.Keys.SecretAccessKey, server.Keys.SessionToken, server.Options.Region, now);
        var body = await ReadBodyAsync(context, keep);
        if (refusal is not null)
        {
            var refused = S3DoubleAnswer.Error(
                refusal is "AuthorizationHeaderMalformed" or "ExpiredToken" ? 400 : 403, refusal,
                refusal == "AuthorizationHeaderMalformed" ? $"<Region>{server.Options.Region}</Region>" : "");
            return call.Method == "HEAD" ? new S3DoubleAnswer(refused.Status) : refused;
        }

        if (body is { Length: > 0 } && fault?.Kind == S3DoubleFaultKind.CorruptRequest)
        {
            body[^1] ^= 1;
        }

        if (body is not null && server.Options.HashesBodies && WrongBody(request, body) is { } code)
        {
            return S3DoubleAnswer.Error(400, code);
        }

        var segments = S3DoubleCall.RawPath(context).TrimStart('/').Split('/', 2);
        if (segments[0].Length == 0)
        {
            return S3DoubleAnswer.Xml($"<ListAllMyBucketsResult><Buckets><Bucket><Name>{S3Double.Bucket}</Name></Bucket></Buckets></ListAllMyBucketsResult>");
        }

        if (segments[0] != S3Double.Bucket)
        {
            return S3DoubleAnswer.Error(404, "NoSuchBucket");
        }

        return call.Key.Length == 0
            ? _bucket.Execute(call, request.Query, body ?? [])
            : S3DoubleObjectOperations.Execute(server, call, request.Query, body, length);
    }

    /// <summary>The whole body, or null when it was read and dropped.</summary>
    private async Task<byte[]?> ReadBodyAsync(HttpContext context, bool keep, long maxBytes = long.MaxValue)
    {
        var reader = context.Request.BodyReader;
        var kept = keep ? new byte[context.Request.ContentLength ?? 0] : null;
        long done = 0;
        while (done < maxBytes)
        {
            var result = await reader.ReadAsync(context.RequestAborted);
            var buffer = result.Buffer;
            if (kept is not null)
            {
                buffer.CopyTo(kept.AsSpan((int)done));
            }

            var count = buffer.Length;
            done += count;
            reader.AdvanceTo(buffer.End);
            if (server.Options.Pace is { } pace)
            {
                await pace.InAsync(count, context.RequestAborted);
            }

            if (result.IsCompleted)
            {
                break;
            }
        }

        server.CountReceived(done);
        return kept;
    }

    private static string? WrongBody(HttpRequest request, byte[] body)
    {
        var payload = request.Headers["x-amz-content-sha256"].ToString();
        if (payload != "UNSIGNED-PAYLOAD" && payload != Convert.ToHexStringLower(SHA256.HashData(body)))
        {
            return "XAmzContentSHA256Mismatch";
        }

        if (request.Headers["x-amz-checksum-crc32c"].ToString() is { Length: > 0 } checksum && checksum != BitwiseCrc32C(body))
        {
            return "BadDigest";
        }

        return request.Headers.ContentMD5.ToString() is { Length: > 0 } md5 && md5 != Convert.ToBase64String(MD5.HashData(body)) ? "BadDigest" : null;
    }

    /// <summary>CRC-32C a byte at a time from its polynomial (reflected, 0x82F63B78): slow, plain, and none of the client's code.</summary>
    private static string BitwiseCrc32C(byte[] body)
    {
        var crc = uint.MaxValue;
        foreach (var b in body)
        {
            crc = s_crcTable[(crc ^ b) & 0xFF] ^ (crc >> 8);
        }

        crc = ~crc;
        return Convert.ToBase64String([(byte)(crc >> 24), (byte)(crc >> 16), (byte)(crc >> 8), (byte)crc]);
    }

    private static readonly uint[] s_crcTable = [.. Enumerable.Range(0, 256).Select(value =>
    {
        var crc = (uint)value;
        for (var bit = 0; bit < 8; bit++)
        {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }

        return crc;
    })];
}
