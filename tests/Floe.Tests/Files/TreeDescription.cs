using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>Everything that put-back promises about a tree, as text: one line a path. Names of one inode share a number; sockets are left out; access and change times cannot be promised.</summary>
internal static class TreeDescription
{
    public static string Of(string directory)
    {
        var lines = new List<string>();
        var inodes = new Dictionary<ulong, int>();
        var root = DirectoryPath.Open(Encoding.UTF8.GetBytes(directory.Trim('/')), create: false);
        try
        {
            Describe(root, NativeName.Self, "", lines, inodes);
            Walk(root, "", lines, inodes);
        }
        finally
        {
            _ = Interop.close(root);
        }

        return string.Join('\n', lines);
    }

    private static void Walk(int directory, string path, List<string> lines, Dictionary<ulong, int> inodes)
    {
        var names = new DirectoryNames();
        names.Read(directory, []);
        for (var i = 0; i < names.Count; i++)
        {
            var name = names.Terminated(i).ToArray();
            var shown = $"{path}/{Encoding.Latin1.GetString(names[i])}";
            if (Describe(directory, name, shown, lines, inodes))
            {
                var child = NativeName.Open(directory, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
                Assert.True(child >= 0, shown);
                try
                {
                    Walk(child, shown, lines, inodes);
                }
                finally
                {
                    _ = Interop.close(child);
                }
            }
        }
    }

    /// <returns>Whether it is a directory.</returns>
    private static bool Describe(int directory, ReadOnlySpan<byte> name, string shown, List<string> lines, Dictionary<ulong, int> inodes)
    {
        Assert.Equal(0, NativeName.Stat(directory, name, out var stat));
        var type = stat.stx_mode & Interop.S_IFMT;
        if (type == Interop.S_IFSOCK)
        {
            return false;
        }

        var line = new StringBuilder(shown);
        line.Append(CultureInfo.InvariantCulture, $" {Convert.ToString(stat.stx_mode, 8)} {stat.stx_uid}:{stat.stx_gid}");
        line.Append(CultureInfo.InvariantCulture, $" {stat.stx_mtime.tv_sec}.{stat.stx_mtime.tv_nsec:d9}");
        if (type != Interop.S_IFDIR)
        {
            if (!inodes.TryGetValue(stat.stx_ino, out var number))
            {
                inodes.Add(stat.stx_ino, number = inodes.Count);
            }

            line.Append(CultureInfo.InvariantCulture, $" inode {number} of {stat.stx_nlink} names, {stat.stx_size} bytes");
        }

        foreach (var attribute in ExtendedAttributes.Read(directory, name, []).OrderBy(attribute => Encoding.Latin1.GetString(attribute.Name), StringComparer.Ordinal))
        {
            line.Append(CultureInfo.InvariantCulture, $" {Encoding.Latin1.GetString(attribute.Name)}={Convert.ToHexString(attribute.Value)}");
        }

        switch (type)
        {
            case Interop.S_IFREG:
                line.Append(CultureInfo.InvariantCulture, $" {ContentHash(directory, name)}");
                break;
            case Interop.S_IFLNK:
                line.Append(CultureInfo.InvariantCulture, $" -> {LinkTarget(directory, name)}");
                break;
            case Interop.S_IFCHR or Interop.S_IFBLK:
                line.Append(CultureInfo.InvariantCulture, $" device {stat.stx_rdev_major}:{stat.stx_rdev_minor}");
                break;
        }

        lines.Add(line.ToString());
        return type == Interop.S_IFDIR;
    }

    private static string ContentHash(int directory, ReadOnlySpan<byte> name)
    {
        var descriptor = NativeName.Open(directory, name, Interop.O_RDONLY);
        Assert.True(descriptor >= 0);
        using var file = new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Read);
        return Convert.ToHexString(SHA256.HashData(file));
    }

    private static unsafe string LinkTarget(int directory, ReadOnlySpan<byte> name)
    {
        var target = new byte[4096];
        fixed (byte* pointer = name)
        fixed (byte* room = target)
        {
            return Encoding.Latin1.GetString(target, 0, (int)Interop.readlinkat(directory, pointer, room, 4096));
        }
    }
}
