using System.Globalization;
using System.Xml;

namespace Floe.S3.Buckets;

/// <summary>Answers whose entries lie deeper than <see cref="S3Xml"/> reads; the same caution.</summary>
internal static class BucketXml
{
    public static IReadOnlyList<BucketInfo> ReadBuckets(byte[] body) =>
    [
        .. ReadEntries(body, "ListAllMyBucketsResult", "Bucket").Entries
            .Where(e => e.ContainsKey("Name"))
            .Select(e => new BucketInfo(
                e["Name"], e.TryGetValue("CreationDate", out var created) ? S3Xml.Time(created) : DateTimeOffset.UnixEpoch))
            .OrderBy(b => b.Name, StringComparer.Ordinal),
    ];

    public static IReadOnlyList<KeyValuePair<string, string>> ReadTags(byte[] body) =>
        [.. ReadEntries(body, "Tagging", "Tag").Entries.Where(e => e.ContainsKey("Key")).Select(e => KeyValuePair.Create(e["Key"], e.GetValueOrDefault("Value", "")))];

    public static byte[] WriteTags(IEnumerable<KeyValuePair<string, string>> tags) => S3Xml.Write("Tagging", writer =>
    {
        writer.WriteStartElement("TagSet");
        foreach (var (key, value) in tags)
        {
            writer.WriteStartElement("Tag");
            writer.WriteElementString("Key", key);
            writer.WriteElementString("Value", value);
            writer.WriteEndElement();
        }

        writer.WriteEndElement();
    });

    /// <summary>One page of ListParts; the marker of the next, if there is one.</summary>
    public static (List<UploadedPart> Parts, int? Next) ReadParts(byte[] body)
    {
        var (fields, entries) = ReadEntries(body, "ListPartsResult", "Part");
        var parts = new List<UploadedPart>();
        foreach (var entry in entries)
        {
            if (!entry.TryGetValue("PartNumber", out var number) || !entry.TryGetValue("ETag", out var etag) || !entry.TryGetValue("Size", out var size))
            {
                throw new XmlException("a part without number, ETag or size");
            }

            parts.Add(new UploadedPart(Number(number), new ETag(etag), S3Xml.Number(size), entry.GetValueOrDefault("ChecksumCRC32C")));
        }

        var isTruncated = fields.GetValueOrDefault("IsTruncated") == "true";
        return (parts, isTruncated && fields.TryGetValue("NextPartNumberMarker", out var next) ? Number(next) : null);
    }

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 0 and <= 10_000
            ? number : throw new XmlException("a part whose number is none");

    /// <summary>The root's own text fields, and the text fields of every element of one name, wherever it lies.</summary>
    private static (Dictionary<string, string> Fields, List<Dictionary<string, string>> Entries) ReadEntries(byte[] body, string root, string entry)
    {
        var entries = new List<Dictionary<string, string>>();
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        using var reader = S3Xml.Open(body);
        if (reader.LocalName != root)
        {
            throw new XmlException($"the answer is no {root}");
        }

        Dictionary<string, string>? current = null;
        var (entryDepth, name, text) = (0, "", "");
        while (reader.Read())
        {
            switch (reader.NodeType)
            {
                case XmlNodeType.Element when current is null && reader.LocalName == entry:
                    (current, entryDepth) = (new Dictionary<string, string>(StringComparer.Ordinal), reader.Depth);
                    entries.Add(current);
                    if (reader.IsEmptyElement)
                    {
                        current = null;
                    }

                    break;
                case XmlNodeType.Element:
                    (name, text) = (reader.LocalName, "");
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace or XmlNodeType.Whitespace:
                    text += reader.Value;
                    break;
                case XmlNodeType.EndElement when current is not null && reader.Depth == entryDepth:
                    current = null;
                    break;
                case XmlNodeType.EndElement when current is not null && reader.Depth == entryDepth + 1 && reader.LocalName == name:
                    current[name] = text;
                    break;
                case XmlNodeType.EndElement when current is null && reader.Depth == 1 && reader.LocalName == name:
                    fields[name] = text;
                    break;
            }
        }

        return (fields, entries);
    }
}
