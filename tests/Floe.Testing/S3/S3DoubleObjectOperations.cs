using System.Globalization;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace Floe.Testing.S3;

/// <summary>Operations on one object: PUT, GET, HEAD, DELETE and the multipart calls.</summary>
internal static class S3DoubleObjectOperations
{
    /// <param name="body">Null: it was dropped.</param>
    public static S3DoubleAnswer Execute(S3Double server, S3DoubleCall call, IQueryCollection query, byte[]? body, long length)
    {
        var state = server.State;
        var uploadId = query["uploadId"].ToString();
        var checksum = call.Headers.GetValueOrDefault("x-amz-checksum-crc32c");
        switch (call.Method)
        {
            case "PUT" when uploadId.Length > 0:
                var number = int.Parse(query["partNumber"].ToString(), CultureInfo.InvariantCulture);
                return number is < 1 or > 10_000
                    ? S3DoubleAnswer.Error(400, "InvalidArgument")
                    : state.TryPutPart(uploadId, number, body, length, checksum) is { } partTag
                        ? new S3DoubleAnswer(200) { Headers = { ("ETag", partTag) } }
                        : S3DoubleAnswer.Error(404, "NoSuchUpload");

            case "PUT":
                var etag = state.TryPut(
                    call.Key, body, length, Metadata(call), checksum, IfAbsent(call), call.Headers.GetValueOrDefault("If-Match"), out var isMissing);
                return etag is not null
                    ? new S3DoubleAnswer(200) { Headers = { ("ETag", etag) } }
                    : isMissing ? S3DoubleAnswer.Error(404, "NoSuchKey") : S3DoubleAnswer.Error(412, "PreconditionFailed");

            case "POST" when query.ContainsKey("uploads"):
                var id = state.Begin(new S3DoubleUpload(call.Key, TimeProvider.System.GetUtcNow(), Metadata(call)));
                return S3DoubleAnswer.Xml($"<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");

            case "POST" when uploadId.Length > 0:
                return Complete(state, call, uploadId, body ?? []);

            case "DELETE" when uploadId.Length > 0:
                return state.Abort(uploadId) ? new S3DoubleAnswer(204) : S3DoubleAnswer.Error(404, "NoSuchUpload");

            case "DELETE":
                state.Delete(call.Key);
                return new S3DoubleAnswer(204);

            case "GET" or "HEAD":
                return Read(server, call);

            default:
                return S3DoubleAnswer.Error(405, "MethodNotAllowed");
        }
    }

    private static bool IfAbsent(S3DoubleCall call) => call.Headers.GetValueOrDefault("If-None-Match") == "*";

    private static Dictionary<string, string> Metadata(S3DoubleCall call) => call.Headers
        .Where(h => h.Key.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase)
            || h.Key.StartsWith("x-amz-server-side-encryption", StringComparison.OrdinalIgnoreCase))
        .ToDictionary(h => h.Key, h => h.Value, StringComparer.OrdinalIgnoreCase);

    private static S3DoubleAnswer Complete(S3DoubleState state, S3DoubleCall call, string uploadId, byte[] body)
    {
        var parts = XDocument.Load(new MemoryStream(body)).Root!.Elements()
            .Select(p => p.Elements().ToDictionary(e => e.Name.LocalName, e => e.Value))
            .Select(p => (int.Parse(p["PartNumber"], CultureInfo.InvariantCulture), p["ETag"], p.GetValueOrDefault("ChecksumCRC32C")))
            .ToList();
        var (etag, error) = state.Complete(uploadId, parts, IfAbsent(call), call.Headers.GetValueOrDefault("If-Match"));
        return error switch
        {
            null => S3DoubleAnswer.Xml(new XElement("CompleteMultipartUploadResult", new XElement("ETag", etag)).ToString()),
            "NoSuchUpload" => S3DoubleAnswer.Error(404, error),
            "PreconditionFailed" => S3DoubleAnswer.Error(412, error),
            _ => S3DoubleAnswer.Error(400, error),
        };
    }

    private static S3DoubleAnswer Read(S3Double server, S3DoubleCall call)
    {
        var isHead = call.Method == "HEAD";
        if (server.State.TryGet(call.Key) is not { } found)
        {
            return isHead ? new S3DoubleAnswer(404) : S3DoubleAnswer.Error(404, "NoSuchKey");
        }

        if (call.Headers.GetValueOrDefault("If-Match") is { } wanted && wanted != found.ETag)
        {
            return S3DoubleAnswer.Error(412, "PreconditionFailed");
        }

        var headers = new List<(string, string)>
        {
            ("ETag", found.ETag),
            ("Last-Modified", found.LastModified.ToString("R", CultureInfo.InvariantCulture)),
            ("Accept-Ranges", "bytes"),
        };
        headers.AddRange(found.Metadata.Select(m => (m.Key, m.Value)));
        if (isHead)
        {
            return new S3DoubleAnswer(200) { Headers = headers, HeadLength = found.Size };
        }

        var (from, to) = (0L, found.Size - 1);
        var status = 200;
        if (call.Headers.GetValueOrDefault("Range") is { } range)
        {
            var ends = range["bytes=".Length..].Split('-');
            from = long.Parse(ends[0], CultureInfo.InvariantCulture);
            to = Math.Min(long.Parse(ends[1], CultureInfo.InvariantCulture), to);
            if (from >= found.Size)
            {
                return S3DoubleAnswer.Error(416, "InvalidRange");
            }

            status = 206;
            headers.Add(("Content-Range", $"bytes {from}-{to}/{found.Size}"));
        }
        else if (found.ChecksumCrc32C is { } checksum && call.Headers.GetValueOrDefault("x-amz-checksum-mode") == "ENABLED")
        {
            headers.Add(("x-amz-checksum-crc32c", checksum));
        }

        var count = to - from + 1;
        server.CountSent(count);
        return found.Content is { } content
            ? new S3DoubleAnswer(status) { Headers = headers, Body = content.AsMemory((int)from, (int)count) }
            : new S3DoubleAnswer(status) { Headers = headers, PatternRange = (from, count) };
    }
}
