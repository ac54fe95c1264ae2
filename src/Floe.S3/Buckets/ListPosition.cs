using System.Globalization;

namespace Floe.S3.Buckets;

/// <summary>
/// Where a listing goes on: the service's token, with the last key of the pages before. A service that repeats pages, or changes between them, would else be
/// listed for ever.
/// </summary>
internal readonly record struct ListPosition(string? Token, string Last, int EmptyPages)
{
    /// <summary>Services skip what they do not show, such as the deleted objects of a versioned bucket, a page of it at a time; but not without end.</summary>
    private const int MaxEmptyPages = 10_000;

    /// <summary>Of a <see cref="BucketPage.NextToken"/>; null: the start.</summary>
    public static ListPosition Parse(string? text)
    {
        if (text is null)
        {
            return new ListPosition(null, "", 0);
        }

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var length = int.Parse(text[..colon], CultureInfo.InvariantCulture);
        return new ListPosition(text[(colon + 1 + length)..], text.Substring(colon + 1, length), 0);
    }

    /// <summary>Without the count of empty pages: none of them is given out.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Last.Length}:{Last}{Token}");

    /// <summary>The position behind a page.</summary>
    /// <exception cref="S3Fault">The page is not one that follows: a key is outside the prefix, or not behind those before, in UTF-8 byte order.</exception>
    public ListPosition Behind(S3ListPage page, string prefix)
    {
        var last = Last;
        foreach (var keys in (IEnumerable<string>[])[page.Objects.Select(o => o.Key), page.Folders])
        {
            var previous = Last;
            foreach (var key in keys)
            {
                if (!key.StartsWith(prefix, StringComparison.Ordinal))
                {
                    throw new S3Fault("the listing holds keys outside the prefix that was asked for");
                }

                if (previous.Length > 0 && ObjectKeyRules.Compare(key, previous) <= 0)
                {
                    throw new S3Fault("the listing is not in key order");
                }

                previous = key;
            }

            last = ObjectKeyRules.Compare(previous, last) > 0 ? previous : last;
        }

        var empty = page.Objects.Count + page.Folders.Count > 0 ? 0 : EmptyPages + 1;
        return page.NextToken is null || (page.NextToken != Token && empty <= MaxEmptyPages)
            ? new ListPosition(page.NextToken, last, empty) : throw new S3Fault("the listing does not move forward");
    }
}
