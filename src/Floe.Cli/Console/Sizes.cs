namespace Floe.Cli.Console;

/// <summary>Amounts as people read them.</summary>
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
}
