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
        if (!server.Options.HonorsConditions && call.Method == "PUT")
        {
            call = call.WithoutConditions();
        }

        var uploadId = query["uploadId"].ToString();
        var checksum = call.Headers.GetValueOrDefault("x-amz-checksum-crc32c");
        switch (call.Method)
        {
            case "PUT" when uploadId.Length > 0:
                var number = int.Parse(query["partNumber"].ToString(), CultureInfo.InvariantCulture);
                if (call.Headers.ContainsKey(CopySource))
                {
                    return CopyPart(server, call, uploadId, number);
                }

                return number is < 1 or > 10_000
                    ? S3DoubleAnswer.Error(400, "InvalidArgument")
                    : state.TryPutPart(uploadId, number, body, length, checksum) is { } partTag
                        ? new S3DoubleAnswer(200) { Headers = { ("ETag", partTag) } }
                        : S3DoubleAnswer.Error(404, "NoSuchUpload");

            case "PUT" when query.ContainsKey("tagging") && !call.Headers.ContainsKey("Content-MD5"):
                return S3DoubleAnswer.Error(400, "InvalidRequest");

            case "PUT" when query.ContainsKey("tagging"):
                return state.SetTags(call.Key, ReadTags(body ?? [])) ? new S3DoubleAnswer(200) : S3DoubleAnswer.Error(404, "NoSuchKey");

            case "PUT" when call.Headers.ContainsKey(CopySource):
                return Copy(state, call);

            case "PUT":
                var etag = state.TryPut(
                    call.Key, body, length, Metadata(call), checksum, IfAbsent(call), call.Headers.GetValueOrDefault("If-Match"), out var isMissing);
                if (etag is not null && TagsOf(call) is { Count: > 0 } tags)
                {
                    state.SetTags(call.Key, tags);
                }

                return etag is not null
                    ? new S3DoubleAnswer(200) { Headers = { ("ETag", etag) } }
                    : isMissing ? S3DoubleAnswer.Error(404, "NoSuchKey") : S3DoubleAnswer.Error(412, "PreconditionFailed");

            case "POST" when query.ContainsKey("uploads"):
                var id = state.Begin(new S3DoubleUpload(call.Key, state.Now, Metadata(call)) { Tags = TagsOf(call) });
                return S3DoubleAnswer.Xml($"<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");

            case "POST" when uploadId.Length > 0:
                return Complete(state, call, uploadId, body ?? []);

            case "DELETE" when uploadId.Length > 0:
                return state.Abort(uploadId) ? new S3DoubleAnswer(204) : S3DoubleAnswer.Error(404, "NoSuchUpload");

            case "DELETE":
                state.Delete(call.Key);
                return new S3DoubleAnswer(204);

            case "GET" when uploadId.Length > 0:
                return ListParts(server, uploadId, query);

            case "GET" when query.ContainsKey("tagging"):
                return state.TryGet(call.Key) is not { } tagged
                    ? S3DoubleAnswer.Error(404, "NoSuchKey")
                    : S3DoubleAnswer.Xml(new XElement("Tagging", new XElement("TagSet", tagged.Tags.Select(
                        t => new XElement("Tag", new XElement("Key", t.Key), new XElement("Value", t.Value))))).ToString());

            case "GET" or "HEAD":
                return Read(server, call);

            default:
                return S3DoubleAnswer.Error(405, "MethodNotAllowed");
        }
    }

    private const string CopySource = "x-amz-copy-source";

    private static List<KeyValuePair<string, string>> TagsOf(S3DoubleCall call) =>
        [.. call.Headers.GetValueOrDefault("x-amz-tagging", "").Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(t => t.Split('=', 2)).Select(t => KeyValuePair.Create(Uri.UnescapeDataString(t[0]), Uri.UnescapeDataString(t[1])))];

    private static List<KeyValuePair<string, string>> ReadTags(byte[] body) =>
        [.. XDocument.Load(new MemoryStream(body)).Descendants().Where(e => e.Name.LocalName == "Tag")
            .Select(e => e.Elements().ToDictionary(c => c.Name.LocalName, c => c.Value)).Select(t => KeyValuePair.Create(t["Key"], t["Value"]))];

    /// <summary>The source of a copy, or the error that S3 gives.</summary>
    private static (S3DoubleObject? Found, S3DoubleAnswer? Error) Source(S3DoubleState state, S3DoubleCall call)
    {
        var path = Uri.UnescapeDataString(call.Headers[CopySource]).TrimStart('/').Split('/', 2);
        return path[0] != S3Double.Bucket ? (null, S3DoubleAnswer.Error(404, "NoSuchBucket"))
            : state.TryGet(path[1]) is not { } found ? (null, S3DoubleAnswer.Error(404, "NoSuchKey"))
            : call.Headers.GetValueOrDefault("x-amz-copy-source-if-match") is { } etag && etag != found.ETag
                ? (null, S3DoubleAnswer.Error(412, "PreconditionFailed"))
            : (found, null);
    }

    private static S3DoubleAnswer Copy(S3DoubleState state, S3DoubleCall call)
    {
        if (Source(state, call) is not ({ } source, _))
        {
            return Source(state, call).Error!;
        }

        var isNew = call.Headers.GetValueOrDefault("x-amz-metadata-directive") == "REPLACE";
        var etag = state.TryPut(
            call.Key, source.Content, source.Size, isNew ? Metadata(call) : source.Metadata, source.ChecksumCrc32C,
            IfAbsent(call), call.Headers.GetValueOrDefault("If-Match"), out _);
        if (etag is null)
        {
            return S3DoubleAnswer.Error(412, "PreconditionFailed");
        }

        state.SetTags(call.Key, call.Headers.GetValueOrDefault("x-amz-tagging-directive") == "REPLACE" ? TagsOf(call) : source.Tags);
        return S3DoubleAnswer.Xml(new XElement("CopyObjectResult", new XElement("ETag", etag)).ToString());
    }

    private static S3DoubleAnswer CopyPart(S3Double server, S3DoubleCall call, string uploadId, int number)
    {
        var state = server.State;
        if (Source(state, call) is not ({ } source, _))
        {
            return Source(state, call).Error!;
        }

        var ends = call.Headers["x-amz-copy-source-range"]["bytes=".Length..].Split('-');
        var (from, to) = (long.Parse(ends[0], CultureInfo.InvariantCulture), long.Parse(ends[1], CultureInfo.InvariantCulture));
        if (source.Size <= server.Options.MaxUnrangedCopySource)
        {
            return S3DoubleAnswer.Error(400, "InvalidRequest");
        }

        if (to >= source.Size)
        {
            return S3DoubleAnswer.Error(416, "InvalidRange");
        }

        var content = source.Content?.AsSpan((int)from, (int)(to - from + 1)).ToArray();
        return state.TryPutPart(uploadId, number, content, to - from + 1, null) is { } etag
            ? S3DoubleAnswer.Xml(new XElement("CopyPartResult", new XElement("ETag", etag)).ToString())
            : S3DoubleAnswer.Error(404, "NoSuchUpload");
    }

    private static S3DoubleAnswer ListParts(S3Double server, string uploadId, IQueryCollection query)
    {
        if (server.State.Parts(uploadId) is not { } parts)
        {
            return S3DoubleAnswer.Error(404, "NoSuchUpload");
        }

        var marker = query["part-number-marker"].ToString() is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : 0;
        var later = parts.Where(p => p.Number > marker).ToList();
        var page = later.Take(server.Options.MaxPageEntries).ToList();
        return S3DoubleAnswer.Xml(new XElement(
            "ListPartsResult",
            page.Select(p => new XElement(
                "Part", new XElement("PartNumber", p.Number), new XElement("ETag", p.ETag), new XElement("Size", p.Size),
                p.Checksum is { } checksum ? new XElement("ChecksumCRC32C", checksum) : null)),
            new XElement("IsTruncated", page.Count < later.Count ? "true" : "false"),
            page.Count < later.Count ? new XElement("NextPartNumberMarker", page[^1].Number) : null).ToString());
    }

    private static bool IfAbsent(S3DoubleCall call) => call.Headers.GetValueOrDefault("If-None-Match") == "*";

    private static Dictionary<string, string> Metadata(S3DoubleCall call) => call.Headers
        .Where(h => h.Key.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase)
            || h.Key.StartsWith("x-amz-server-side-encryption", StringComparison.OrdinalIgnoreCase)
            || h.Key is "Cache-Control" or "Content-Disposition" or "Content-Encoding" or "Content-Language" or "Content-Type" or "Expires")
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
