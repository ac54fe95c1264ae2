using System.Text;

namespace Floe.S3;

/// <summary>What a key may be. Keys reach the stores from manifests and command lines, so every store asks here before it acts.</summary>
internal static class ObjectKeyRules
{
    /// <summary>S3 takes 1,024 bytes of UTF-8, the store's own prefix included.</summary>
    public const int MaxKeyBytes = 1024;

    private static readonly Encoding StrictUtf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Throws Unsupported for a key that names no object.</summary>
    public static void CheckKey(ObjectKey key)
    {
        if (Fault(key.Value, mayBePrefix: false) is { } fault)
        {
            throw Refuse(key, fault);
        }
    }

    /// <summary>Like <see cref="CheckKey"/> for a listing's prefix, which may be empty, end in '/' or in the middle of a name.</summary>
    public static void CheckPrefix(ObjectKey prefix)
    {
        if (Fault(prefix.Value, mayBePrefix: true) is { } fault)
        {
            throw Refuse(prefix, fault);
        }
    }

    /// <summary>Like <see cref="CheckPrefix"/> for a whole folder: empty or ending in '/'.</summary>
    public static void CheckFolder(ObjectKey prefix)
    {
        CheckPrefix(prefix);
        if (prefix.Value.Length > 0 && !prefix.Value.EndsWith('/'))
        {
            throw Refuse(prefix, "names a folder but does not end in '/'");
        }
    }

    /// <summary>Whether a key that a listing returned is one of Floe's: anything else in the folder or bucket is left alone.</summary>
    public static bool IsKey(string text) => Fault(text, mayBePrefix: false) is null;

    /// <summary>The order of keys: that of their UTF-8 bytes, as S3 lists them.</summary>
    public static int Compare(string a, string b) =>
        // UTF-16 and UTF-8 order differ only where surrogates meet U+E000 and above.
        Ascii.IsValid(a) && Ascii.IsValid(b)
            ? string.CompareOrdinal(a, b)
            : Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b));

    private static string? Fault(string? text, bool mayBePrefix)
    {
        if (text is null)
        {
            return "is null";
        }

        if (text.Length == 0)
        {
            return mayBePrefix ? null : "is empty";
        }

        foreach (var c in text)
        {
            // U+FFFE and U+FFFF cannot travel in the XML of a listing.
            if (char.IsControl(c) || c is '\uFFFE' or '\uFFFF')
            {
                return "holds a control character";
            }
        }

        int byteCount;
        try
        {
            byteCount = StrictUtf8.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            return "is no valid Unicode";
        }

        if (byteCount > MaxKeyBytes)
        {
            return $"is longer than {MaxKeyBytes} bytes";
        }

        var rest = text.AsSpan();
        while (true)
        {
            var slash = rest.IndexOf('/');
            var part = slash < 0 ? rest : rest[..slash];
            var isLast = slash < 0;
            if (part is "." or ".." || (part.Length == 0 && !(isLast && mayBePrefix)))
            {
                return "has an empty, '.' or '..' part";
            }

            if (isLast)
            {
                return null;
            }

            rest = rest[(slash + 1)..];
        }
    }

    private static ObjectStoreException Refuse(ObjectKey key, string fault)
    {
        var shown = key.Value is { Length: > 80 } ? key.Value[..80] + "…" : key.Value;
        var clean = new string((shown ?? "").Select(c => char.IsControl(c) ? '?' : c).ToArray());
        return new ObjectStoreException(ObjectStoreErrorKind.Unsupported, $"'{clean}' is no object key: it {fault}");
    }
}
