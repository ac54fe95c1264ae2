using System.Globalization;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace Floe.Testing.S3;

/// <summary>Operations on the bucket: listings and DeleteObjects.</summary>
internal sealed class S3DoubleBucketOperations(S3Double server)
{
    public S3DoubleAnswer Execute(S3DoubleCall call, IQueryCollection query, byte[] body) => call.Method switch
    {
        "GET" when query.ContainsKey("uploads") => ListUploads(query),
        "GET" when query["list-type"] == "2" || query.Keys.All(IsOfFirstList) => List(query),
        "POST" when query.ContainsKey("delete") => server.Options.HasBatchDelete
            ? Delete(call, body) : S3DoubleAnswer.Error(501, "NotImplemented"),
        "HEAD" => new S3DoubleAnswer(200),
        _ => S3DoubleAnswer.Error(405, "MethodNotAllowed"),
    };

    /// <summary>The first version of the listing, which other programs than Floe still use.</summary>
    private static bool IsOfFirstList(string parameter) => parameter is "prefix" or "delimiter" or "marker" or "max-keys" or "encoding-type";

    private S3DoubleAnswer List(IQueryCollection query)
    {
        var isFirst = !query.ContainsKey("list-type");
        var prefix = query["prefix"].ToString();
        var delimiter = query["delimiter"].ToString();
        var isEncoded = query["encoding-type"] == "url";
        var max = int.Min(query["max-keys"].ToString() is { Length: > 0 } wanted ? int.Parse(wanted, CultureInfo.InvariantCulture) : 1000, server.Options.MaxPageEntries);
        // A real token is opaque too; ours is the last entry, spelt so that nobody takes it for one.
        var after = query["continuation-token"].ToString() is { Length: > 0 } token
            ? System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(token)) : query[isFirst ? "marker" : "start-after"].ToString();
        var result = new XElement("ListBucketResult");
        var last = "";
        var count = 0;
        var isTruncated = false;
        foreach (var (key, found) in server.State.Below(prefix))
        {
            var slash = delimiter.Length == 0 ? -1 : key.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal);
            var entry = slash < 0 ? key : key[..(slash + delimiter.Length)];
            if (entry == last || (after.Length > 0 && S3DoubleState.CompareUtf8(entry, after) <= 0))
            {
                continue;
            }

            if (count == max)
            {
                isTruncated = true;
                break;
            }

            last = entry;
            count++;
            result.Add(slash >= 0
                ? new XElement("CommonPrefixes", new XElement("Prefix", Encode(entry, isEncoded)))
                : new XElement(
                    "Contents",
                    new XElement("Key", Encode(entry, isEncoded)),
                    new XElement("LastModified", found.LastModified.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)),
                    new XElement("ETag", found.ETag),
                    new XElement("Size", found.Size)));
        }

        result.Add(new XElement("IsTruncated", isTruncated ? "true" : "false"));
        if (isEncoded)
        {
            result.Add(new XElement("EncodingType", "url"));
        }

        if (isTruncated)
        {
            result.Add(isFirst
                ? new XElement("NextMarker", Encode(last, isEncoded))
                : new XElement("NextContinuationToken", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(last))));
        }

        return S3DoubleAnswer.Xml(result.ToString(SaveOptions.DisableFormatting));
    }

    private S3DoubleAnswer ListUploads(IQueryCollection query)
    {
        var marker = (Key: query["key-marker"].ToString(), Id: query["upload-id-marker"].ToString());
        var later = server.State.Uploads(query["prefix"].ToString())
            .Where(u => string.CompareOrdinal(u.Upload.Key, marker.Key) > 0 || (u.Upload.Key == marker.Key && string.CompareOrdinal(u.Id, marker.Id) > 0))
            .ToList();
        var page = later.Take(server.Options.MaxPageEntries).ToList();
        var result = new XElement("ListMultipartUploadsResult", new XElement("EncodingType", "url"), page.Select(u => new XElement(
            "Upload",
            new XElement("Key", Encode(u.Upload.Key, true)),
            new XElement("UploadId", u.Id),
            new XElement("Initiated", u.Upload.Initiated.ToString("O", CultureInfo.InvariantCulture)))));
        result.Add(new XElement("IsTruncated", page.Count < later.Count ? "true" : "false"));
        if (page.Count < later.Count)
        {
            result.Add(new XElement("NextKeyMarker", Encode(page[^1].Upload.Key, true)), new XElement("NextUploadIdMarker", page[^1].Id));
        }

        return S3DoubleAnswer.Xml(result.ToString(SaveOptions.DisableFormatting));
    }

    private S3DoubleAnswer Delete(S3DoubleCall call, byte[] body)
    {
        if (!call.Headers.ContainsKey("Content-MD5") && !call.Headers.Keys.Any(k => k.StartsWith("x-amz-checksum-", StringComparison.OrdinalIgnoreCase)))
        {
            return S3DoubleAnswer.Error(400, "InvalidRequest");
        }

        var keys = XDocument.Load(new MemoryStream(body)).Descendants().Where(e => e.Name.LocalName == "Key").Select(e => e.Value).ToList();
        if (keys.Count > 1000)
        {
            return S3DoubleAnswer.Error(400, "MalformedXML");
        }

        keys.ForEach(server.State.Delete);
        return S3DoubleAnswer.Xml("<DeleteResult/>");
    }

    /// <summary>As S3 does it: form encoding, where a space is '+' and a slash stays.</summary>
    private static string Encode(string key, bool isEncoded) =>
        isEncoded ? Uri.EscapeDataString(key).Replace("%20", "+", StringComparison.Ordinal).Replace("%2F", "/", StringComparison.Ordinal) : key;
}
