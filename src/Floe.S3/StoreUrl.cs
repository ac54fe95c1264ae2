namespace Floe.S3;

/// <summary>Where a store lies: <c>s3://bucket/prefix</c> or <c>file:///folder</c>.</summary>
public sealed record StoreUrl
{
    private StoreUrl(string scheme, string container, string path)
    {
        Scheme = scheme;
        Container = container;
        Path = path;
    }

    /// <summary>"s3" or "file".</summary>
    public string Scheme { get; }

    /// <summary>The bucket; empty for a folder.</summary>
    public string Container { get; }

    /// <summary>The prefix without leading or trailing slash, or the folder's absolute path.</summary>
    public string Path { get; }

    /// <summary>Null and a one-line reason for text that is no store URL. A plain absolute path is taken as a folder.</summary>
    public static StoreUrl? TryParse(string text, out string? error)
    {
        error = null;
        if (text.StartsWith("s3://", StringComparison.Ordinal))
        {
            var rest = text[5..];
            var slash = rest.IndexOf('/');
            var bucket = slash < 0 ? rest : rest[..slash];
            var prefix = slash < 0 ? "" : rest[(slash + 1)..].Trim('/');
            if (bucket.Length is < 3 or > 63 || bucket.Any(c => c is not (>= 'a' and <= 'z' or >= '0' and <= '9' or '-' or '.' or '_')))
            {
                error = $"'{text}' names no valid bucket; write s3://bucket/prefix";
                return null;
            }

            if (prefix.Split('/').Any(p => p is "." or "..") || prefix.Contains("//", StringComparison.Ordinal) || prefix.Any(char.IsControl))
            {
                error = $"'{text}': a prefix may not hold '.', '..', '//' or control characters";
                return null;
            }

            return new StoreUrl("s3", bucket, prefix);
        }

        var path = text.StartsWith("file://", StringComparison.Ordinal) ? text[7..] : text;
        if (!path.StartsWith('/'))
        {
            error = $"'{text}' is no store; write s3://bucket/prefix or file:///absolute/folder";
            return null;
        }

        return new StoreUrl("file", "", System.IO.Path.GetFullPath(path));
    }

    /// <summary>A whole bucket whose name was checked; the service itself for an empty name.</summary>
    internal static StoreUrl OfBucket(string bucket) => new("s3", bucket, "");

    public override string ToString() => Scheme == "s3"
        ? Path.Length == 0 ? $"s3://{Container}" : $"s3://{Container}/{Path}"
        : $"file://{Path}";
}
