using System.Text;

namespace Floe.Criu.Streaming;

/// <summary>Checks names that arrive over the stream: they become names in a store and, at an export, files.</summary>
public static class ImageName
{
    /// <summary>Letters, digits, '.', '-' and '_' only, not starting with a dot, at most <see cref="ImageStreamLimits.MaxNameBytes"/>.</summary>
    public static bool IsValid(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.Length > ImageStreamLimits.MaxNameBytes || name[0] == '.')
        {
            return false;
        }

        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit((char)c) && c is not ((byte)'.' or (byte)'-' or (byte)'_'))
            {
                return false;
            }
        }

        return true;
    }

    internal static string Parse(ReadOnlySpan<byte> name) => IsValid(name)
        ? Encoding.ASCII.GetString(name)
        : throw new ImageStreamException($"CRIU sent an image name that is not one ({name.Length} bytes)");

    /// <summary>The number in <c>prefix123.img</c>; null when the name has another form.</summary>
    internal static ulong? Number(string name, string prefix)
    {
        const string Suffix = ".img";
        return name.StartsWith(prefix, StringComparison.Ordinal) && name.EndsWith(Suffix, StringComparison.Ordinal)
            && name.Length > prefix.Length + Suffix.Length
            && ulong.TryParse(name.AsSpan(prefix.Length..^Suffix.Length), System.Globalization.NumberStyles.None, null, out var number)
            ? number
            : null;
    }
}

/// <summary>The other end of the image stream does not speak CRIU's protocol, or broke off.</summary>
public sealed class ImageStreamException(string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>CRIU let go of the connection in the middle of a request, as a process of it does that is killed. Its log says why.</summary>
    public bool IsBrokenOff { get; init; }
}
