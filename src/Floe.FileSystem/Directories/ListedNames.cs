using Floe.FileSystem.Names;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Directories;

/// <summary>Pages of listings as names.</summary>
internal static class ListedNames
{
    /// <summary>The names of a page that can be shown, in the order of their keys.</summary>
    public static IEnumerable<ListedName> Of(string prefix, BucketPage page)
    {
        var (i, j) = (0, 0);
        while (i < page.Objects.Count || j < page.Prefixes.Count)
        {
            if (j >= page.Prefixes.Count || (i < page.Objects.Count && NameRules.Compare(page.Objects[i].Key, page.Prefixes[j]) < 0))
            {
                var found = page.Objects[i++];
                if (NameRules.TryName(prefix, found.Key, isFolder: false, out var file))
                {
                    yield return new ListedName(file, IsFolder: false, found);
                }
            }
            else if (NameRules.TryName(prefix, page.Prefixes[j++], isFolder: true, out var folder))
            {
                yield return new ListedName(folder, IsFolder: true, null);
            }
        }
    }
}
