using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Floe.Agent.Files;

/// <summary>
/// Paths as the kernel knows them: bytes, not text. In this room a path has no leading and no trailing slash; the root
/// directory is empty. Names are any bytes but zero and slash.
/// </summary>
public static class KernelPath
{
    /// <summary>NAME_MAX of linux/limits.h.</summary>
    public const int MaxNameBytes = 255;

    /// <summary>Longer than any path a system call takes (PATH_MAX), because trees may be deeper than that; a bound for what is read from a store.</summary>
    public const int MaxPathBytes = 64 * 1024;

    /// <summary>
    /// The order in which a tree is walked when the names of each directory are sorted by their bytes: slash sorts before
    /// every other byte, so a directory is followed by all that is below it.
    /// </summary>
    public static int Compare(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        var common = left.CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length - right.Length;
        }

        var a = left[common];
        var b = right[common];
        return a == '/' ? -1 : b == '/' ? 1 : a - b;
    }

    /// <summary>Whether <paramref name="path"/> is <paramref name="directory"/> or lies below it.</summary>
    public static bool IsAtOrBelow(ReadOnlySpan<byte> path, ReadOnlySpan<byte> directory) =>
        directory.IsEmpty || (path.StartsWith(directory) && (path.Length == directory.Length || path[directory.Length] == '/'));

    /// <summary>Empty for a name directly below the root.</summary>
    public static ReadOnlySpan<byte> Parent(ReadOnlySpan<byte> path)
    {
        var slash = path.LastIndexOf((byte)'/');
        return slash < 0 ? [] : path[..slash];
    }

    public static ReadOnlySpan<byte> Name(ReadOnlySpan<byte> path) => path[(path.LastIndexOf((byte)'/') + 1)..];

    /// <summary>Whether every component is a name: not empty, not "." or "..", no zero byte, not too long. The root is valid.</summary>
    public static bool IsValid(ReadOnlySpan<byte> path)
    {
        if (path.Length > MaxPathBytes || path.Contains((byte)0))
        {
            return false;
        }

        while (!path.IsEmpty)
        {
            var slash = path.IndexOf((byte)'/');
            var name = slash < 0 ? path : path[..slash];
            if (name.Length is 0 or > MaxNameBytes || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || slash == path.Length - 1)
            {
                return false;
            }

            path = slash < 0 ? [] : path[(slash + 1)..];
        }

        return true;
    }

    /// <summary>For messages: with a leading slash; bytes that are no UTF-8 text, and control characters, as \xNN.</summary>
    public static string Display(ReadOnlySpan<byte> path)
    {
        var text = new StringBuilder("/", path.Length + 1);
        while (!path.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(path, out var rune, out var used);
            if (status == System.Buffers.OperationStatus.Done && !Rune.IsControl(rune) && rune.Value != '\\')
            {
                text.Append(rune.ToString());
            }
            else
            {
                foreach (var value in path[..used])
                {
                    text.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}");
                }
            }

            path = path[used..];
        }

        return text.ToString();
    }

    internal static byte[] FromText(string absolutePath) => Encoding.UTF8.GetBytes(absolutePath.Trim('/'));

    internal static FileStateException Failure(string what, ReadOnlySpan<byte> path, int errno) =>
        new($"cannot {what} {Display(path)}: {Marshal.GetPInvokeErrorMessage(errno)}") { ErrorNumber = errno };
}
