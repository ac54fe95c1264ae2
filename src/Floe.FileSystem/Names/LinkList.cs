using System.Text;

namespace Floe.FileSystem.Names;

/// <summary>
/// The object that names the symbolic links of a folder, one a line: Nextflow reads it (through S3, not through a mount) to tell links from
/// files when it publishes a task's outputs. It is not shown in the mount.
/// </summary>
internal static class LinkList
{
    public const string Name = ".fusion.symlinks";
    public const int MaxBytes = 1 << 20;

    public static HashSet<string> Parse(ReadOnlySpan<byte> content) =>
        [.. Encoding.UTF8.GetString(content).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(NameRules.IsVisible)];

    public static byte[] Format(IEnumerable<string> names) => Encoding.UTF8.GetBytes(string.Concat(names.Order(StringComparer.Ordinal).Select(n => n + '\n')));
}
