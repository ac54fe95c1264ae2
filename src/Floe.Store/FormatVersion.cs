namespace Floe.Store;

/// <summary>The format that this version of Floe writes, and what it can read.</summary>
internal static class FormatVersion
{
    public const int Current = 1;

    /// <summary>A manifest whose blocks are hashed with a seed: who takes them for unseeded finds every one of them damaged.</summary>
    public const string BlockSeedFeature = "blockSeed";

    /// <summary>Features beyond version 1 that this version knows.</summary>
    private static readonly string[] s_known = [BlockSeedFeature];

    /// <summary>Throws when an object needs a newer Floe. <paramref name="what"/> begins the message.</summary>
    public static void Check(int version, IReadOnlyList<string>? requiredFeatures, string what)
    {
        if (version > Current)
        {
            throw new UnsupportedFormatException($"{what} has format version {version}, this floe reads up to {Current}: upgrade floe");
        }

        if (requiredFeatures?.FirstOrDefault(f => !s_known.Contains(f)) is { } unknown)
        {
            throw new UnsupportedFormatException($"{what} needs the feature '{Printable(unknown)}', which this floe does not know: upgrade floe");
        }
    }

    /// <summary>Text from a store, cut and cleaned for a message on a terminal.</summary>
    public static string Printable(string text)
    {
        var cut = text.Length > 100 ? string.Concat(text.AsSpan(0, 100), "…") : text;
        return string.Concat(cut.Select(c => char.IsControl(c) ? '?' : c));
    }
}
