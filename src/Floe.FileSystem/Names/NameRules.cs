using System.Diagnostics.CodeAnalysis;
using System.Text;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Names;

/// <summary>
/// Which pieces of keys are names, and which names can be keys. A key with a piece that is no name (empty, ".", "..", over 255 bytes, with control characters) is not
/// shown and cannot be reached; nothing that comes from a bucket can therefore lead out of its folder.
/// </summary>
internal static class NameRules
{
    public const int MaxKeyBytes = 1024;
    private const int MaxNameBytes = 255;
    private const int EILSEQ = 84;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A name of the kernel as text.</summary>
    /// <exception cref="FuseException">EILSEQ: keys are UTF-8, and so are names. EINVAL: characters that a listing cannot carry.</exception>
    public static string FromBytes(ReadOnlySpan<byte> name)
    {
        string text;
        try
        {
            text = s_utf8.GetString(name);
        }
        catch (DecoderFallbackException)
        {
            throw new FuseException(EILSEQ, "the name is no UTF-8; keys of a bucket are");
        }

        return IsStorable(text) ? text : throw new FuseException(Errno.EINVAL, "the name holds characters that the listing of a bucket cannot carry");
    }

    /// <summary>Whether a piece of a key can be shown. False for <see cref="LinkList.Name"/>, which is the file system's own.</summary>
    public static bool IsVisible(string piece) =>
        piece.Length > 0 && piece is not ("." or "..") && piece != LinkList.Name && IsStorable(piece) && Encoding.UTF8.GetByteCount(piece) <= MaxNameBytes;

    /// <exception cref="FuseException">ENAMETOOLONG. EINVAL: control characters.</exception>
    public static string Checked(string key) => Encoding.UTF8.GetByteCount(key) > MaxKeyBytes
        ? throw new FuseException(Errno.ENAMETOOLONG, $"a key of a bucket has at most {MaxKeyBytes} bytes")
        : IsStorable(key) ? key : throw new FuseException(Errno.EINVAL, "a key holds characters that the listing of a bucket cannot carry");

    /// <summary>Order of keys: that of their UTF-8 bytes.</summary>
    public static int Compare(string a, string b) => Ascii.IsValid(a) && Ascii.IsValid(b)
        ? string.CompareOrdinal(a, b) : Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b));

    /// <summary>The names directly below a folder that a page of its listing holds.</summary>
    public static bool TryName(string prefix, string key, bool isFolder, [NotNullWhen(true)] out string? name)
    {
        name = null;
        if (!key.StartsWith(prefix, StringComparison.Ordinal) || (isFolder && !key.EndsWith('/')))
        {
            return false;
        }

        var piece = key[prefix.Length..(isFolder ? key.Length - 1 : key.Length)];
        if (piece.Contains('/', StringComparison.Ordinal) || !IsVisible(piece))
        {
            return false;
        }

        name = piece;
        return true;
    }

    /// <summary>
    /// XML 1.0 carries no control characters but tab and newlines, and no U+FFFE and U+FFFF; and the client refuses keys with any of those two
    /// (a line of <see cref="LinkList"/> could not hold them either).
    /// </summary>
    private static bool IsStorable(string text)
    {
        foreach (var c in text)
        {
            if (c is < ' ' or '\uFFFE' or '\uFFFF')
            {
                return false;
            }
        }

        return true;
    }
}
