using System.Globalization;

namespace Floe.Cli.Console;

/// <summary>Amounts as people read and write them.</summary>
internal static class Sizes
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>"1.5 GiB": binary units, at most one decimal.</summary>
    public static string Bytes(long bytes)
    {
        double amount = bytes;
        var unit = 0;
        while (amount >= 1024 && unit < s_units.Length - 1)
        {
            amount /= 1024;
            unit++;
        }

        return unit == 0 ? $"{bytes} B" : $"{amount:0.#} {s_units[unit]}";
    }

    /// <summary>A size as people write it: 20G, 20GB, 20GiB, 20 gib and 1.5T, all in powers of 1024. Null for what is none, 0, or beyond 1024 PiB.</summary>
    /// <param name="bare">The unit, in bytes, of a number with none.</param>
    public static long? TryParse(string text, long bare)
    {
        var number = text.AsSpan().TrimEnd("BKMGTPIbkmgtpi");
        long? unit = text[number.Length..].ToUpperInvariant() switch
        {
            "" => bare,
            "B" => 1,
            ['K' or 'M' or 'G' or 'T' or 'P', .. "" or "B" or "I" or "IB"] word => 1L << (10 * (" KMGTP".IndexOf(word[0], StringComparison.Ordinal))),
            _ => null,
        };

        // Of 28 digits none is lost, and what has more is refused before it could overflow.
        return unit is { } factor && number.Length <= 20 && decimal.TryParse(number.TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count)
            && count <= decimal.MaxValue / factor && count * factor is >= 1 and <= 1L << 60 and var bytes ? (long)bytes : null;
    }
}
