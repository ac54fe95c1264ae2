namespace Floe.Aws.Api;

/// <summary>Answers in pages, each with a token for the next.</summary>
internal static class AwsPages
{
    private const int MaxPages = 1000;

    /// <summary>All pages, until there is no next. A token that was had before ends it too: nothing new would follow.</summary>
    /// <param name="next">The page's token for the next, and the first page's is null; null or empty at the end.</param>
    public static async Task<IReadOnlyList<TPage>> ReadAsync<TPage>(Func<string?, Task<TPage>> read, Func<TPage, string?> next)
    {
        var pages = new List<TPage>();
        var had = new HashSet<string>(StringComparer.Ordinal);
        string? token = null;
        do
        {
            var page = await read(token).ConfigureAwait(false);
            pages.Add(page);
            token = next(page);
        }
        while (!string.IsNullOrEmpty(token) && had.Add(token) && pages.Count < MaxPages);
        return pages;
    }
}
