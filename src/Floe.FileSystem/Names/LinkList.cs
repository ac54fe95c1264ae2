using System.Text;

namespace Floe.FileSystem.Names;

/// <summary>
/// The object that names the symbolic links of a folder, one a line: Nextflow reads it (through S3, not through a mount) to tell links from
/// files when it publishes a task's outputs. It is not shown in the mount.
/// </summary>
internal static class LinkList
{
    public const string Name = ".fusion.symlinks";

    /// <summary>Some 280,000 links of 30 characters, which take ten times as much memory while one list is in hand.</summary>
    public const int MaxBytes = 8 << 20;

    public static HashSet<string> Parse(ReadOnlySpan<byte> content)
    {
        HashSet<string> names = [];
        foreach (var line in content.Split((byte)'\n'))
        {
            if (Encoding.UTF8.GetString(content[line]) is var name && NameRules.IsVisible(name))
            {
                names.Add(name);
            }
        }

        return names;
    }

    /// <summary>What a name takes in a list.</summary>
    public static int BytesOf(string name) => Encoding.UTF8.GetByteCount(name) + 1;

    public static byte[] Format(IEnumerable<string> names) => Encoding.UTF8.GetBytes(string.Concat(names.Order(StringComparer.Ordinal).Select(n => n + '\n')));
}
