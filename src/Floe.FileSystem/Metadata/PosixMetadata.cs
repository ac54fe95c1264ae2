using System.Globalization;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Metadata;

/// <summary>What an object's metadata says; null: nothing.</summary>
internal readonly record struct StoredAttributes(uint? Mode, uint? Uid, uint? Gid, UnixTime? MTime);

/// <summary>
/// POSIX attributes as user metadata, in the names and forms that AWS DataSync, Storage Gateway and FSx for Lustre write:
/// <c>file-permissions</c> (octal mode with type), <c>file-owner</c>, <c>file-group</c> (decimal), <c>file-mtime</c> (nanoseconds, "ns" behind).
/// A symbolic link is an object of its target's text whose file-permissions say so.
/// </summary>
internal static class PosixMetadata
{
    private const string Permissions = "file-permissions";
    private const string Owner = "file-owner";
    private const string Group = "file-group";
    private const string ModificationTime = "file-mtime";
    private static readonly string[] s_names = [Permissions, Owner, Group, ModificationTime];

    /// <param name="mode">With type.</param>
    /// <param name="mtime">Null where the object's own time will do.</param>
    public static IReadOnlyDictionary<string, string> Encode(uint mode, uint uid, uint gid, UnixTime? mtime)
    {
        var metadata = new Dictionary<string, string>
        {
            [Permissions] = "0" + Convert.ToString(mode, 8),
            [Owner] = uid.ToString(CultureInfo.InvariantCulture),
            [Group] = gid.ToString(CultureInfo.InvariantCulture),
        };
        if (mtime is { } time)
        {
            metadata[ModificationTime] = ((Int128)time.Seconds * 1_000_000_000 + time.Nanos).ToString(CultureInfo.InvariantCulture) + "ns";
        }

        return metadata;
    }

    /// <summary>Takes what makes sense and leaves the rest: the metadata may be anybody's.</summary>
    public static StoredAttributes Decode(IReadOnlyDictionary<string, string> metadata) => new(
        metadata.TryGetValue(Permissions, out var mode) ? Octal(mode) : null,
        Number(metadata.GetValueOrDefault(Owner)),
        Number(metadata.GetValueOrDefault(Group)),
        metadata.TryGetValue(ModificationTime, out var time) ? Time(time) : null);

    /// <summary>Whether both say the same of permissions and owner, and of the time if that matters.</summary>
    public static bool IsSame(IReadOnlyDictionary<string, string> one, IReadOnlyDictionary<string, string> other, bool withTime) =>
        (withTime ? s_names : s_names[..^1]).All(name => one.GetValueOrDefault(name) == other.GetValueOrDefault(name));

    /// <summary>The metadata with these attributes in place of theirs; what says nothing of attributes stays.</summary>
    public static IReadOnlyDictionary<string, string> Over(IReadOnlyDictionary<string, string> metadata, IReadOnlyDictionary<string, string> attributes)
    {
        var all = metadata.Where(m => !s_names.Contains(m.Key)).ToDictionary();
        foreach (var (name, value) in attributes)
        {
            all[name] = value;
        }

        return all;
    }

    public static bool IsLink(in StoredAttributes stored) => (stored.Mode & Interop.S_IFMT) == Interop.S_IFLNK;

    private static uint? Octal(string text)
    {
        uint value = 0;
        foreach (var c in text)
        {
            if (c is < '0' or > '7' || value > 0x1FFF)
            {
                return null;
            }

            value = (value * 8) + (uint)(c - '0');
        }

        return text.Length == 0 || value > 0xFFFF ? null : value;
    }

    private static uint? Number(string? text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value != uint.MaxValue ? value : null;

    private static UnixTime? Time(string text)
    {
        var digits = text.EndsWith("ns", StringComparison.Ordinal) ? text[..^2] : text;
        if (!long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var nanos))
        {
            return null;
        }

        var seconds = Math.DivRem(nanos, 1_000_000_000, out var rest);
        return rest < 0 ? new UnixTime(seconds - 1, (uint)(rest + 1_000_000_000)) : new UnixTime(seconds, (uint)rest);
    }
}
