using System.Globalization;
using System.Text;

namespace Floe.Agent.Files;

/// <summary>A mount that paths can reach. <paramref name="Path"/> in the form of <see cref="KernelPath"/>.</summary>
internal readonly record struct VisibleMount(byte[] Path, string Type)
{
    /// <summary>A server outside the kernel answers for it, possibly this very process.</summary>
    public bool IsFuse => Type is "fuse" or "fuseblk" || Type.StartsWith("fuse.", StringComparison.Ordinal);
}

/// <summary>The mounts of /proc/self/mountinfo (proc_pid_mountinfo(5)), without those that a later mount hides.</summary>
internal static class MountTable
{
    public static IReadOnlyList<VisibleMount> ReadSelf()
    {
        byte[] content;
        try
        {
            content = File.ReadAllBytes("/proc/self/mountinfo");
        }
        catch (IOException e)
        {
            throw new FileStateException("cannot read /proc/self/mountinfo, which tells which paths are mounts: mount /proc", e);
        }

        return Parse(content);
    }

    public static IReadOnlyList<VisibleMount> Parse(ReadOnlySpan<byte> mountInfo)
    {
        var mounts = new Dictionary<int, (int Parent, byte[] Path, string Type)>();
        foreach (var range in mountInfo.Split((byte)'\n'))
        {
            if (!mountInfo[range].IsEmpty)
            {
                AddLine(mounts, mountInfo[range]);
            }
        }

        // A mount is hidden by one on top of it (a child with the same path), and by a sibling higher up on its path.
        var byParentAndPath = mounts.Values.Select(mount => (mount.Parent, Latin1(mount.Path))).ToHashSet();
        var visible = new List<VisibleMount>();
        foreach (var (id, mount) in mounts)
        {
            if (!byParentAndPath.Contains((id, Latin1(mount.Path))) && IsReachable(mounts, byParentAndPath, id))
            {
                visible.Add(new VisibleMount(mount.Path, mount.Type));
            }
        }

        return visible;
    }

    private static bool IsReachable(Dictionary<int, (int Parent, byte[] Path, string Type)> mounts, HashSet<(int, string)> byParentAndPath, int id)
    {
        for (var steps = 0; steps <= mounts.Count; steps++)
        {
            var (parent, path, _) = mounts[id];
            if (!mounts.TryGetValue(parent, out var above) || parent == id)
            {
                return true;
            }

            // Ancestors of the path, down to where the parent itself is mounted: a sibling there covers this mount.
            for (var end = Latin1(path).LastIndexOf('/'); path.Length > 0 && end > above.Path.Length; end = Latin1(path).LastIndexOf('/', end - 1))
            {
                if (byParentAndPath.Contains((parent, Latin1(path)[..end])))
                {
                    return false;
                }
            }

            id = parent;
        }

        return false;
    }

    private static void AddLine(Dictionary<int, (int Parent, byte[] Path, string Type)> mounts, ReadOnlySpan<byte> line)
    {
        var fields = Encoding.Latin1.GetString(line).Split(' ');
        var separator = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        if (fields.Length < 10 || separator < 0 || separator + 1 >= fields.Length
            || !int.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !int.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var parent))
        {
            throw new FileStateException($"cannot make sense of a line of /proc/self/mountinfo: {Encoding.Latin1.GetString(line)}");
        }

        // Latin-1 keeps every byte as one character.
        mounts[id] = (parent, Encoding.Latin1.GetBytes(Unescape(fields[4]).Trim('/')), fields[separator + 1]);
    }

    /// <summary>Space, tab, newline and backslash are written as three octal digits.</summary>
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var text = new StringBuilder();
        for (var i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length)
            {
                text.Append((char)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }

    private static string Latin1(byte[] path) => Encoding.Latin1.GetString(path);
}
