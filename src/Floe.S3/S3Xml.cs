using System.Globalization;
using System.Text;
using System.Xml;

namespace Floe.S3;

/// <summary>What an error answer says. Any part may be missing: HEAD answers have no body.</summary>
internal sealed record S3ErrorBody(string? Code, string? Message, string? Region);

internal sealed record S3ListPage(
    List<(string Key, long Size, string ETag, DateTimeOffset LastModified)> Objects, List<string> Folders, string? NextToken);

internal sealed record S3UploadsPage(
    List<(string Key, string UploadId, DateTimeOffset Initiated)> Uploads, string? NextKeyMarker, string? NextUploadIdMarker);

/// <summary>
/// Reads S3's answers. They come from the network: no DTD, no entity, bounded depth by reading flat elements only, and the caller bounds the bytes.
/// Malformed text is an <see cref="XmlException"/>.
/// </summary>
internal static class S3Xml
{
    /// <summary>1,000 entries of 1,024-byte keys, each byte percent-encoded, with room for the rest.</summary>
    public const int MaxAnswerBytes = 8 << 20;

    public static S3ErrorBody ReadError(byte[] body)
    {
        string? code = null, message = null, region = null;
        using var reader = Open(body);
        if (reader.LocalName == "Error")
        {
            ReadFields(reader, (name, value) =>
            {
                switch (name)
                {
                    case "Code": code = value; break;
                    case "Message": message = value; break;
                    case "Region": region = value; break;
                }
            });
        }

        return new S3ErrorBody(code, message, region);
    }

    /// <summary>Whether the answer's root element is an error: CompleteMultipartUpload may fail after it has said 200.</summary>
    public static bool IsError(byte[] body)
    {
        using var reader = Open(body);
        return reader.LocalName == "Error";
    }

    /// <summary>The text of one direct child of the root.</summary>
    public static string? ReadField(byte[] body, string field)
    {
        string? found = null;
        using var reader = Open(body);
        ReadFields(reader, (name, value) => found = name == field ? value : found);
        return found;
    }

    public static S3ListPage ReadList(byte[] body)
    {
        var objects = new List<(string, string, string, string)>();
        var folders = new List<string>();
        string? token = null;
        var isEncoded = false;
        var isTruncated = false;
        using var reader = Open(body);
        Expect(reader, "ListBucketResult");
        ReadFields(
            reader,
            (name, value) =>
            {
                switch (name)
                {
                    case "EncodingType": isEncoded = value == "url"; break;
                    case "IsTruncated": isTruncated = value == "true"; break;
                    case "NextContinuationToken": token = value; break;
                }
            },
            (name, fields) =>
            {
                if (name == "Contents")
                {
                    objects.Add((Need(fields, "Key"), Need(fields, "Size"), Need(fields, "ETag"), Need(fields, "LastModified")));
                }
                else if (name == "CommonPrefixes")
                {
                    folders.Add(Need(fields, "Prefix"));
                }
            });
        if (isTruncated && string.IsNullOrEmpty(token))
        {
            throw new XmlException("a truncated listing without a continuation token");
        }

        return new S3ListPage(
            [.. objects.Select(o => (Decode(o.Item1, isEncoded), Number(o.Item2), o.Item3, Time(o.Item4)))],
            [.. folders.Select(f => Decode(f, isEncoded))],
            isTruncated ? token : null);
    }

    public static S3UploadsPage ReadUploads(byte[] body)
    {
        var uploads = new List<(string, string, string)>();
        string? key = null, id = null;
        var isEncoded = false;
        var isTruncated = false;
        using var reader = Open(body);
        Expect(reader, "ListMultipartUploadsResult");
        ReadFields(
            reader,
            (name, value) =>
            {
                switch (name)
                {
                    case "EncodingType": isEncoded = value == "url"; break;
                    case "IsTruncated": isTruncated = value == "true"; break;
                    case "NextKeyMarker": key = value; break;
                    case "NextUploadIdMarker": id = value; break;
                }
            },
            (name, fields) =>
            {
                if (name == "Upload")
                {
                    uploads.Add((Need(fields, "Key"), Need(fields, "UploadId"), Need(fields, "Initiated")));
                }
            });
        return new S3UploadsPage(
            [.. uploads.Select(u => (Decode(u.Item1, isEncoded), u.Item2, Time(u.Item3)))],
            isTruncated && !string.IsNullOrEmpty(key) ? Decode(key, isEncoded) : null,
            isTruncated ? id : null);
    }

    /// <summary>Keys that a DeleteObjects answer names as not deleted.</summary>
    public static List<(string Key, string Code, string Message)> ReadDeleteErrors(byte[] body)
    {
        var errors = new List<(string, string, string)>();
        using var reader = Open(body);
        Expect(reader, "DeleteResult");
        ReadFields(reader, (_, _) => { }, (name, fields) =>
        {
            if (name == "Error")
            {
                errors.Add((Need(fields, "Key"), fields.GetValueOrDefault("Code", ""), fields.GetValueOrDefault("Message", "")));
            }
        });
        return errors;
    }

    public static byte[] WriteDelete(IEnumerable<string> keys) => Write("Delete", writer =>
    {
        writer.WriteElementString("Quiet", "true");
        foreach (var key in keys)
        {
            writer.WriteStartElement("Object");
            writer.WriteElementString("Key", key);
            writer.WriteEndElement();
        }
    });

    public static byte[] WriteComplete(IEnumerable<S3Part> parts) => Write("CompleteMultipartUpload", writer =>
    {
        foreach (var part in parts)
        {
            writer.WriteStartElement("Part");
            writer.WriteElementString("PartNumber", part.Number.ToString(CultureInfo.InvariantCulture));
            writer.WriteElementString("ETag", part.ETag.Value);
            if (part.ChecksumCrc32C is { } checksum)
            {
                writer.WriteElementString("ChecksumCRC32C", checksum);
            }

            writer.WriteEndElement();
        }
    });

    internal static byte[] Write(string root, Action<XmlWriter> writeBody)
    {
        var buffer = new MemoryStream();
        using (var writer = XmlWriter.Create(buffer, new XmlWriterSettings { Encoding = new UTF8Encoding(false) }))
        {
            writer.WriteStartElement(root, "http://s3.amazonaws.com/doc/2006-03-01/");
            writeBody(writer);
            writer.WriteEndElement();
        }

        return buffer.ToArray();
    }

    internal static XmlReader Open(byte[] body)
    {
        var reader = XmlReader.Create(new MemoryStream(body), new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = MaxAnswerBytes,
            MaxCharactersFromEntities = 1,
            IgnoreComments = true,
            IgnoreProcessingInstructions = true,
        });
        reader.MoveToContent();
        return reader;
    }

    private static void Expect(XmlReader reader, string root)
    {
        if (reader.LocalName != root)
        {
            throw new XmlException($"the answer is no {root}");
        }
    }

    /// <summary>
    /// Hands out the root's children: those with text to <paramref name="onText"/>, those with children as name to text of their own text-only
    /// children to <paramref name="onElement"/>. Anything deeper is skipped.
    /// </summary>
    private static void ReadFields(
        XmlReader reader, Action<string, string> onText, Action<string, Dictionary<string, string>>? onElement = null)
    {
        string? child = null, grandchild = null;
        var text = new StringBuilder();
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read())
        {
            switch (reader.NodeType)
            {
                case XmlNodeType.Element:
                    text.Clear();
                    if (reader.Depth == 1)
                    {
                        child = reader.LocalName;
                        fields.Clear();
                    }
                    else if (reader.Depth == 2)
                    {
                        grandchild = reader.LocalName;
                    }

                    break;

                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace or XmlNodeType.Whitespace:
                    text.Append(reader.Value);
                    break;

                case XmlNodeType.EndElement when reader.Depth == 2 && grandchild is not null:
                    fields[grandchild] = text.ToString();
                    grandchild = null;
                    text.Clear();
                    break;

                case XmlNodeType.EndElement when reader.Depth == 1 && child is not null:
                    if (fields.Count > 0)
                    {
                        onElement?.Invoke(child, fields);
                    }
                    else
                    {
                        onText(child, text.ToString());
                    }

                    child = null;
                    break;
            }
        }
    }

    private static string Need(Dictionary<string, string> fields, string name) =>
        fields.GetValueOrDefault(name) ?? throw new XmlException($"an entry without {name}");

    private static string Decode(string text, bool isEncoded) =>
        isEncoded ? Uri.UnescapeDataString(text.Replace('+', ' ')) : text;

    internal static long Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : throw new XmlException("an entry whose size is no number");

    internal static DateTimeOffset Time(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time : throw new XmlException("an entry whose time is no time");
}
